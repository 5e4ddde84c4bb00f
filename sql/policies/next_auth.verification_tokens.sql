-- next_auth.verification_tokens: Auth.js' login alone; service_role too. A token is used up, never changed.

-- Auth.js reads the token that it deletes.
create policy verification_tokens_select_authjs on next_auth.verification_tokens
    for select to authjs
    using (true);

-- The owner role finds tokens that are over, and those of people who leave; backups read all.
create policy verification_tokens_select_definer on next_auth.verification_tokens
    for select to app_owner, backup
    using (true);

-- Auth.js notes a sign-in link that it sends.
create policy verification_tokens_insert_authjs on next_auth.verification_tokens
    for insert to authjs
    with check (true);

-- Auth.js uses a token up.
create policy verification_tokens_delete_authjs on next_auth.verification_tokens
    for delete to authjs
    using (true);

-- The owner role clears tokens that are over, and those of people who leave.
create policy verification_tokens_delete_definer on next_auth.verification_tokens
    for delete to app_owner
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy verification_tokens_all_service on next_auth.verification_tokens
    for all to service_role
    using (true)
    with check (true);

-- next_auth.accounts: Auth.js' login alone, which carries no claims and needs all rows; service_role too.
-- No update: neither adapter ever changes an account.

-- Auth.js finds the person behind an identity, and shows what is linked.
create policy accounts_select_authjs on next_auth.accounts
    for select to authjs
    using (true);

-- The owner role counts what each key seals, and seals it again; without a key it opens nothing; backups read all.
create policy accounts_select_definer on next_auth.accounts
    for select to app_owner, backup
    using (true);

-- Auth.js links an identity to a person.
create policy accounts_insert_authjs on next_auth.accounts
    for insert to authjs
    with check (true);

-- The owner role seals tokens again when keys change.
create policy accounts_update_definer on next_auth.accounts
    for update to app_owner
    using (true)
    with check (true);

-- Auth.js takes a link away.
create policy accounts_delete_authjs on next_auth.accounts
    for delete to authjs
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy accounts_all_service on next_auth.accounts
    for all to service_role
    using (true)
    with check (true);

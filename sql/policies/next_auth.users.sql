-- next_auth.users: Auth.js' login alone, which carries no claims and needs all rows; service_role too.

-- Auth.js looks people up by id, by address and by account.
create policy users_select_authjs on next_auth.users
    for select to authjs
    using (true);

-- Auth.js makes a person at their first sign-in.
create policy users_insert_authjs on next_auth.users
    for insert to authjs
    with check (true);

-- Auth.js keeps name, address and picture in step with the provider.
create policy users_update_authjs on next_auth.users
    for update to authjs
    using (true)
    with check (true);

-- Auth.js deletes a person when asked to; everything they own follows.
create policy users_delete_authjs on next_auth.users
    for delete to authjs
    using (true);

-- The owner role reads the address of the caller, to compare it with an invitation's, and finds who has left.
create policy users_select_invitee on next_auth.users
    for select to app_owner
    using (id = (select auth.uid()) or exists (select from private.departures as d where d.user_id = users.id));

-- The owner role deletes an account again that a restored backup has brought back.
create policy users_delete_brought_back on next_auth.users
    for delete to app_owner
    using (exists (select from private.departures as d where d.user_id = users.id));

-- Backups read all.
create policy users_select_backup on next_auth.users
    for select to backup
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy users_all_auth_service on next_auth.users
    for all to service_role
    using (true)
    with check (true);

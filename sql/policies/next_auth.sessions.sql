-- next_auth.sessions: Auth.js' login alone, which carries no claims and needs all rows; service_role too.

-- Auth.js finds the session behind a cookie.
create policy sessions_select_authjs on next_auth.sessions
    for select to authjs
    using (true);

-- The owner role sees sessions that are over, to delete them, and those of a person whose data it lists.
create policy sessions_select_expired on next_auth.sessions
    for select to app_owner
    using (expires < now() or "userId" = (select auth.uid()));

-- Auth.js opens a session at sign-in.
create policy sessions_insert_authjs on next_auth.sessions
    for insert to authjs
    with check (true);

-- Auth.js moves the end of a session forward.
create policy sessions_update_authjs on next_auth.sessions
    for update to authjs
    using (true)
    with check (true);

-- Auth.js ends a session at sign-out.
create policy sessions_delete_authjs on next_auth.sessions
    for delete to authjs
    using (true);

-- The owner role clears sessions that are over.
create policy sessions_delete_expired on next_auth.sessions
    for delete to app_owner
    using (expires < now());

-- Backups read all.
create policy sessions_select_backup on next_auth.sessions
    for select to backup
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy sessions_all_service on next_auth.sessions
    for all to service_role
    using (true)
    with check (true);

-- analytics.error_logs: written by the app's servers; for super administrators, as messages may quote anybody's data.

-- A super administrator reads all: asked once a statement, and for everybody else the table isn't read at all.
create policy error_logs_select_administrator on analytics.error_logs
    for select to authenticated
    using ((select private.is_super_admin()));

-- The owner role finds the errors of a person who goes; backups read all.
create policy error_logs_select_definer on analytics.error_logs
    for select to app_owner, backup
    using (true);

-- The owner role takes a person out when they go; the error stays.
create policy error_logs_update_definer on analytics.error_logs
    for update to app_owner
    using (true)
    with check (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy error_logs_all_service on analytics.error_logs
    for all to service_role
    using (true)
    with check (true);

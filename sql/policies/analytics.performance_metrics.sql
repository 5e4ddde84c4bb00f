-- analytics.performance_metrics: written by the app's servers, read by super administrators.

-- A super administrator reads all: asked once a statement, and for everybody else the table isn't read at all.
create policy performance_metrics_select_administrator on analytics.performance_metrics
    for select to authenticated
    using ((select private.is_super_admin()));

-- Backups read all.
create policy performance_metrics_select_backup on analytics.performance_metrics
    for select to backup
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy performance_metrics_all_service on analytics.performance_metrics
    for all to service_role
    using (true)
    with check (true);

-- private.maintenance_runs: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads how the last runs ended; backups read all.
create policy maintenance_runs_select_definer on private.maintenance_runs
    for select to app_owner, backup
    using (true);

-- The owner role notes that a run begins.
create policy maintenance_runs_insert_definer on private.maintenance_runs
    for insert to app_owner
    with check (true);

-- The owner role notes how it ended.
create policy maintenance_runs_update_definer on private.maintenance_runs
    for update to app_owner
    using (true)
    with check (true);

-- The owner role forgets what is old.
create policy maintenance_runs_delete_definer on private.maintenance_runs
    for delete to app_owner
    using (true);

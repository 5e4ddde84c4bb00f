-- private.health_samples: reached by functions of the owner role alone; row security binds that role too.

-- The owner role compares with what was; backups read all.
create policy health_samples_select_definer on private.health_samples
    for select to app_owner, backup
    using (true);

-- The owner role notes what was measured.
create policy health_samples_insert_definer on private.health_samples
    for insert to app_owner
    with check (true);

-- The owner role forgets what is old.
create policy health_samples_delete_definer on private.health_samples
    for delete to app_owner
    using (true);

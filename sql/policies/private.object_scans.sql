-- private.object_scans: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what waits, and what was found; backups read all.
create policy object_scans_select_definer on private.object_scans
    for select to app_owner, backup
    using (true);

-- The owner role queues what was stored.
create policy object_scans_insert_definer on private.object_scans
    for insert to app_owner
    with check (true);

-- The owner role notes who took what, and what was found.
create policy object_scans_update_definer on private.object_scans
    for update to app_owner
    using (true)
    with check (true);

-- The owner role strikes off what is stored no more.
create policy object_scans_delete_definer on private.object_scans
    for delete to app_owner
    using (true);

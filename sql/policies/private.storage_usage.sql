-- private.storage_usage: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what is stored; backups read all.
create policy storage_usage_select_definer on private.storage_usage
    for select to app_owner, backup
    using (true);

-- The owner role counts what somebody stores first.
create policy storage_usage_insert_definer on private.storage_usage
    for insert to app_owner
    with check (true);

-- The owner role counts what changes.
create policy storage_usage_update_definer on private.storage_usage
    for update to app_owner
    using (true)
    with check (true);

-- The owner role strikes off who stores nothing any more.
create policy storage_usage_delete_definer on private.storage_usage
    for delete to app_owner
    using (true);

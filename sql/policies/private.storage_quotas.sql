-- private.storage_quotas: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads quotas; backups read all.
create policy storage_quotas_select_definer on private.storage_quotas
    for select to app_owner, backup
    using (true);

-- The owner role sets a quota.
create policy storage_quotas_insert_definer on private.storage_quotas
    for insert to app_owner
    with check (true);

-- The owner role changes a quota.
create policy storage_quotas_update_definer on private.storage_quotas
    for update to app_owner
    using (true)
    with check (true);

-- The owner role takes a quota back.
create policy storage_quotas_delete_definer on private.storage_quotas
    for delete to app_owner
    using (true);

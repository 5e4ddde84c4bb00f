-- private.audit_keys: reached by functions of the owner role alone; row security binds that role too.

-- The owner role seals and opens values; backups read all.
create policy audit_keys_select_definer on private.audit_keys
    for select to app_owner, backup
    using (true);

-- The owner role makes a key for who has none.
create policy audit_keys_insert_definer on private.audit_keys
    for insert to app_owner
    with check (true);

-- The owner role destroys the key of who leaves.
create policy audit_keys_update_definer on private.audit_keys
    for update to app_owner
    using (true)
    with check (true);

-- The owner role destroys the key of an address.
create policy audit_keys_delete_definer on private.audit_keys
    for delete to app_owner
    using (true);

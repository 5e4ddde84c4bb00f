-- private.sealing_keys: the owner role alone; the login that provisions is a member of it, and row security binds both.

-- The trigger on accounts takes the present key; backups read all.
create policy sealing_keys_select_definer on private.sealing_keys
    for select to app_owner, backup
    using (true);

-- Keys come by `up`.
create policy sealing_keys_insert_definer on private.sealing_keys
    for insert to app_owner
    with check (true);

-- Keys change their order by `up`.
create policy sealing_keys_update_definer on private.sealing_keys
    for update to app_owner
    using (true)
    with check (true);

-- Keys that seal nothing any more go by `up`.
create policy sealing_keys_delete_definer on private.sealing_keys
    for delete to app_owner
    using (true);

-- private.backups: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what is kept and what was drilled; backups read all.
create policy backups_select_definer on private.backups
    for select to app_owner, backup
    using (true);

-- The owner role notes a backup.
create policy backups_insert_definer on private.backups
    for insert to app_owner
    with check (true);

-- The owner role notes a drill.
create policy backups_update_definer on private.backups
    for update to app_owner
    using (true)
    with check (true);

-- The owner role forgets one that has ended, or that came to nothing.
create policy backups_delete_definer on private.backups
    for delete to app_owner
    using (true);

-- private.structure_changes: reached by functions of the owner role alone; row security binds that role too.

-- The owner role says who has changed what; backups read all.
create policy structure_changes_select_definer on private.structure_changes
    for select to app_owner, backup
    using (true);

-- The owner role records a change.
create policy structure_changes_insert_definer on private.structure_changes
    for insert to app_owner
    with check (true);

-- The owner role forgets what is old.
create policy structure_changes_delete_definer on private.structure_changes
    for delete to app_owner
    using (true);

-- private.kept_instants: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what is kept; backups read all.
create policy kept_instants_select_definer on private.kept_instants
    for select to app_owner, backup
    using (true);

-- The owner role notes an instant.
create policy kept_instants_insert_definer on private.kept_instants
    for insert to app_owner
    with check (true);

-- The owner role forgets one that has ended, or whose backup came to nothing.
create policy kept_instants_delete_definer on private.kept_instants
    for delete to app_owner
    using (true);

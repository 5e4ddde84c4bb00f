-- private.settings: the owner role alone; the login that provisions is a member of it, and row security binds both.

-- Functions go by them; backups read all.
create policy settings_select_definer on private.settings
    for select to app_owner, backup
    using (true);

-- Settings come by `up`.
create policy settings_insert_definer on private.settings
    for insert to app_owner
    with check (true);

-- Settings change by `up`.
create policy settings_update_definer on private.settings
    for update to app_owner
    using (true)
    with check (true);

-- Settings that are declared no longer go by `up`.
create policy settings_delete_definer on private.settings
    for delete to app_owner
    using (true);

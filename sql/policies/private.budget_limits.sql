-- private.budget_limits: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads limits; backups read all.
create policy budget_limits_select_definer on private.budget_limits
    for select to app_owner, backup
    using (true);

-- The owner role sets a limit.
create policy budget_limits_insert_definer on private.budget_limits
    for insert to app_owner
    with check (true);

-- The owner role changes a limit.
create policy budget_limits_update_definer on private.budget_limits
    for update to app_owner
    using (true)
    with check (true);

-- The owner role takes a limit back.
create policy budget_limits_delete_definer on private.budget_limits
    for delete to app_owner
    using (true);

-- private.budget_usage: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what is used; backups read all.
create policy budget_usage_select_definer on private.budget_usage
    for select to app_owner, backup
    using (true);

-- The owner role counts what somebody uses first.
create policy budget_usage_insert_definer on private.budget_usage
    for insert to app_owner
    with check (true);

-- The owner role counts what is used.
create policy budget_usage_update_definer on private.budget_usage
    for update to app_owner
    using (true)
    with check (true);

-- analytics.project_totals: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads it for members; backups read all.
create policy project_totals_select_definer on analytics.project_totals
    for select to app_owner, backup
    using (true);

-- The owner role sums up a project for the first time.
create policy project_totals_insert_definer on analytics.project_totals
    for insert to app_owner
    with check (true);

-- The owner role sums it up again.
create policy project_totals_update_definer on analytics.project_totals
    for update to app_owner
    using (true)
    with check (true);

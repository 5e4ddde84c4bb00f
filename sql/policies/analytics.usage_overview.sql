-- analytics.usage_overview: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads it for the signed-in user; backups read all.
create policy usage_overview_select_definer on analytics.usage_overview
    for select to app_owner, backup
    using (true);

-- The owner role sums up a day.
create policy usage_overview_insert_definer on analytics.usage_overview
    for insert to app_owner
    with check (true);

-- The owner role sums a day up again.
create policy usage_overview_delete_definer on analytics.usage_overview
    for delete to app_owner
    using (true);

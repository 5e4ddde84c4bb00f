-- analytics.storage_days: written by housekeeping, read by super administrators.

-- A super administrator reads all: asked once a statement, and for everybody else the table isn't read at all.
create policy storage_days_select_administrator on analytics.storage_days
    for select to authenticated
    using ((select private.is_super_admin()));

-- The owner role reads what it replaces; backups read all.
create policy storage_days_select_definer on analytics.storage_days
    for select to app_owner, backup
    using (true);

-- The owner role notes a day.
create policy storage_days_insert_definer on analytics.storage_days
    for insert to app_owner
    with check (true);

-- The owner role notes a day again.
create policy storage_days_update_definer on analytics.storage_days
    for update to app_owner
    using (true)
    with check (true);

-- private.departures: reached by functions of the owner role alone; row security binds that role too.

-- The owner role knows who has left, and of whom something is left; backups read all.
create policy departures_select_definer on private.departures
    for select to app_owner, backup
    using (true);

-- The owner role notes who leaves.
create policy departures_insert_definer on private.departures
    for insert to app_owner
    with check (true);

-- The owner role notes what it has deleted.
create policy departures_update_definer on private.departures
    for update to app_owner
    using (true)
    with check (true);

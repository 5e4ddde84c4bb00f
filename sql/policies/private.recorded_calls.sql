-- private.recorded_calls: reached by functions of the owner role alone; row security binds that role too.

-- The owner role finds a call by its key; backups read all.
create policy recorded_calls_select_definer on private.recorded_calls
    for select to app_owner, backup
    using (true);

-- The owner role notes a call.
create policy recorded_calls_insert_definer on private.recorded_calls
    for insert to app_owner
    with check (true);

-- The owner role notes what came of it.
create policy recorded_calls_update_definer on private.recorded_calls
    for update to app_owner
    using (true)
    with check (true);

-- The owner role forgets old calls.
create policy recorded_calls_delete_definer on private.recorded_calls
    for delete to app_owner
    using (true);

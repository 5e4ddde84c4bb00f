-- private.file_events: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what waits; backups read all.
create policy file_events_select_definer on private.file_events
    for select to app_owner, backup
    using (true);

-- The owner role notes what became of a file.
create policy file_events_insert_definer on private.file_events
    for insert to app_owner
    with check (true);

-- The owner role notes who took what.
create policy file_events_update_definer on private.file_events
    for update to app_owner
    using (true)
    with check (true);

-- The owner role strikes off what is done.
create policy file_events_delete_definer on private.file_events
    for delete to app_owner
    using (true);

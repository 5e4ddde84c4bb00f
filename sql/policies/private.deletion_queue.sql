-- private.deletion_queue: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what waits; backups read all.
create policy deletion_queue_select_definer on private.deletion_queue
    for select to app_owner, backup
    using (true);

-- The owner role queues the file of a deleted row.
create policy deletion_queue_insert_definer on private.deletion_queue
    for insert to app_owner
    with check (true);

-- The owner role notes who took what.
create policy deletion_queue_update_definer on private.deletion_queue
    for update to app_owner
    using (true)
    with check (true);

-- The owner role strikes off what is done.
create policy deletion_queue_delete_definer on private.deletion_queue
    for delete to app_owner
    using (true);

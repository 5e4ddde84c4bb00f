-- audit.log: nobody but the owner role, whose functions write and verify it. No update, no delete: it only grows.
-- What stands here comes with the step that makes the table, word for word.

-- The owner role walks along the lanes.
create policy log_select_definer on audit.log
    for select to app_owner
    using (true);

-- The owner role adds entries, by trigger.
create policy log_insert_definer on audit.log
    for insert to app_owner
    with check (true);

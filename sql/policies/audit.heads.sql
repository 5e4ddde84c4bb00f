-- audit.heads: nobody but the owner role, whose triggers move the lanes' ends forward.
-- What stands here comes with the migration that makes the table, word for word.

-- The owner role finds a lane's end; backups read all.
create policy heads_select_definer on audit.heads
    for select to app_owner, backup
    using (true);

-- The owner role moves a lane's end forward, by trigger.
create policy heads_update_definer on audit.heads
    for update to app_owner
    using (true)
    with check (true);

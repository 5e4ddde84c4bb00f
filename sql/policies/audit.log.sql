-- audit.log: read by super administrators; written and verified by functions of the owner role. No update, no delete.
-- What is the owner role's comes with the migration that makes the table, word for word.

-- A super administrator reads all: asked once a statement, and for everybody else the log isn't read at all.
create policy log_select_administrator on audit.log
    for select to authenticated
    using ((select private.is_super_admin()));

-- The owner role walks along the lanes; backups read all.
create policy log_select_definer on audit.log
    for select to app_owner, backup
    using (true);

-- The owner role adds entries, by trigger.
create policy log_insert_definer on audit.log
    for insert to app_owner
    with check (true);

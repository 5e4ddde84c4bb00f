-- private.invitation_counts: reached by functions of the owner role alone; row security binds that role too.

-- The owner role compares with the quota; backups read all.
create policy invitation_counts_select_definer on private.invitation_counts
    for select to app_owner, backup
    using (true);

-- The owner role counts the first invitation of a day.
create policy invitation_counts_insert_definer on private.invitation_counts
    for insert to app_owner
    with check (true);

-- The owner role counts the others.
create policy invitation_counts_update_definer on private.invitation_counts
    for update to app_owner
    using (true)
    with check (true);

-- The housekeeping forgets days that are over.
create policy invitation_counts_delete_definer on private.invitation_counts
    for delete to app_owner
    using (true);

-- audit.retired: nobody but the owner role, which notes here what it drops.
-- What stands here comes with the migration that makes the table, word for word.

-- The owner role finds where the lanes begin; backups read all.
create policy retired_select_definer on audit.retired
    for select to app_owner, backup
    using (true);

-- The owner role notes what it retires.
create policy retired_insert_definer on audit.retired
    for insert to app_owner
    with check (true);

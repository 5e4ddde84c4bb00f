-- private.undated_projects: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads which project has no date yet; backups read all.
create policy undated_projects_select_definer on private.undated_projects
    for select to app_owner, backup
    using (true);

-- The owner role notes a project that it couldn't date.
create policy undated_projects_insert_definer on private.undated_projects
    for insert to app_owner
    with check (true);

-- The owner role has dated it.
create policy undated_projects_delete_definer on private.undated_projects
    for delete to app_owner
    using (true);

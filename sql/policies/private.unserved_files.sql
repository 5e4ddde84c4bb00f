-- private.unserved_files: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what waits; backups read all.
create policy unserved_files_select_definer on private.unserved_files
    for select to app_owner, backup
    using (true);

-- The owner role notes what ended.
create policy unserved_files_insert_definer on private.unserved_files
    for insert to app_owner
    with check (true);

-- The owner role strikes off what was invalidated at the CDN.
create policy unserved_files_delete_definer on private.unserved_files
    for delete to app_owner
    using (true);

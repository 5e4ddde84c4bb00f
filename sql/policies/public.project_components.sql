-- public.project_components: seen by anyone who sees the project, written by its owner, its admins and editors.
-- They are what is public of a public project; recordings and generations are not.

-- A visitor reads the components of public projects.
create policy project_components_select_public on public.project_components
    for select to anon
    using (exists (select 1 from public.projects as p where p.id = project_components.project_id));

-- A person reads the components of each project that they see.
create policy project_components_select_visible on public.project_components
    for select to authenticated
    using (project_id = any((select private.few_projects())::uuid[]) or private.may_see(project_id));

-- The owner role reads all, to order and to count them; backups read all.
create policy project_components_select_definer on public.project_components
    for select to app_owner, backup
    using (true);

-- Owner, admins and editors add components.
create policy project_components_insert_editor on public.project_components
    for insert to authenticated
    with check (private.may_edit(project_id));

-- Owner, admins and editors change components.
create policy project_components_update_editor on public.project_components
    for update to authenticated
    using (private.may_edit(project_id))
    with check (private.may_edit(project_id));

-- The owner role orders them and puts them into groups; its functions check who asks.
create policy project_components_update_definer on public.project_components
    for update to app_owner
    using (true)
    with check (true);

-- Owner, admins and editors delete components, one after the other in a project, which is held before any row of it.
create policy project_components_delete_editor on public.project_components
    for delete to authenticated
    using (private.lock_project(project_id));

-- The owner role empties the projects of who has left.
create policy project_components_delete_departed on public.project_components
    for delete to app_owner
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy project_components_all_service on public.project_components
    for all to service_role
    using (true)
    with check (true);

-- Who has left finds nothing here any more, though their token isn't over yet.
create policy project_components_all_present on public.project_components
    as restrictive for all to authenticated
    using ((select private.is_here()));

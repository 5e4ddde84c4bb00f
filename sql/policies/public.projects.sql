-- public.projects: owners do anything with theirs; collaborators read; everybody reads what is public and in use.
-- Own, public and shared are one policy: two permissive ones for one role and command are both run for each row.
-- Eight parts, and not one list: step project_parts says why. The last condition is for super administrators.

-- Anybody, signed in or not, reads public projects that are not archived.
create policy projects_select_public on public.projects
    for select to anon
    using (visibility = 'public' and archived_at is null);

-- A person reads their own projects and those they have accepted to work in, archived ones too, and public ones in use.
create policy projects_select_own_or_public on public.projects
    for select to authenticated
    using (
        owner_id = (select auth.uid())
        or (visibility = 'public' and archived_at is null)
        or (get_byte(uuid_send(id), 15) & 7 = 0 and id = any((select private.shared_projects(0))::uuid[]))
        or (get_byte(uuid_send(id), 15) & 7 = 1 and id = any((select private.shared_projects(1))::uuid[]))
        or (get_byte(uuid_send(id), 15) & 7 = 2 and id = any((select private.shared_projects(2))::uuid[]))
        or (get_byte(uuid_send(id), 15) & 7 = 3 and id = any((select private.shared_projects(3))::uuid[]))
        or (get_byte(uuid_send(id), 15) & 7 = 4 and id = any((select private.shared_projects(4))::uuid[]))
        or (get_byte(uuid_send(id), 15) & 7 = 5 and id = any((select private.shared_projects(5))::uuid[]))
        or (get_byte(uuid_send(id), 15) & 7 = 6 and id = any((select private.shared_projects(6))::uuid[]))
        or (get_byte(uuid_send(id), 15) & 7 = 7 and id = any((select private.shared_projects(7))::uuid[]))
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );

-- The owner role reads all: search, summaries and the functions that policies ask run as it, and nobody logs in as it.
create policy projects_select_definer on public.projects
    for select to app_owner
    using (true);

-- A person makes projects in their own name only.
create policy projects_insert_own on public.projects
    for insert to authenticated
    with check (owner_id = (select auth.uid()) or (select private.is_super_admin()));

-- A person changes their own projects and can't give them away.
create policy projects_update_own on public.projects
    for update to authenticated
    using (
        owner_id = (select auth.uid())
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    )
    with check (owner_id = (select auth.uid()) or (select private.is_super_admin()));

-- The owner role shares a project when somebody is invited, and hands it over; its functions check who asks.
create policy projects_update_definer on public.projects
    for update to app_owner
    using (true)
    with check (true);

-- A person deletes their own projects.
create policy projects_delete_own on public.projects
    for delete to authenticated
    using (
        owner_id = (select auth.uid())
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy projects_all_service on public.projects
    for all to service_role
    using (true)
    with check (true);

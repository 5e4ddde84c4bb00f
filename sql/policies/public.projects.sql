-- public.projects: owners do anything with theirs; collaborators read; everybody reads what is public and in use.
-- Own, public and shared are one policy: two permissive ones for one role and command are both run for each row.
-- Shared ones by a list of at most 200, else row by row: migration project_membership says why. Each condition is an
-- index's.

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
        or id = any((select private.few_projects())::uuid[])
        or (
            id between (select private.many_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
            and private.may_read(id)
        )
    );

-- The owner role reads all: search, summaries and what policies ask run as it, nobody logs in as it; backups read all.
create policy projects_select_definer on public.projects
    for select to app_owner, backup
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

-- The owner role dates a project, shares it when somebody is invited, hands it over; its functions check who asks.
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

-- The owner role deletes the projects of who has left.
create policy projects_delete_departed on public.projects
    for delete to app_owner
    using (exists (select from private.departures as d where d.user_id = projects.owner_id));

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy projects_all_service on public.projects
    for all to service_role
    using (true)
    with check (true);

-- Who has left finds nothing here any more, though their token isn't over yet, and nobody finds what was theirs.
create policy projects_all_present on public.projects
    as restrictive for all to anon, authenticated
    using (owner_id <> all((select private.leaving())::uuid[]));

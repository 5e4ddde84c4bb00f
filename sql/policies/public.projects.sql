-- public.projects: owners do anything with theirs; everybody reads what is public and not put away.
-- Own and public are one policy: two permissive ones for the same role and command are both run for each row.

-- Anybody, signed in or not, reads public projects that are not archived.
create policy projects_select_public on public.projects
    for select to anon
    using (visibility = 'public' and archived_at is null);

-- A person reads their own projects, archived ones too, and public ones that are not archived.
create policy projects_select_own_or_public on public.projects
    for select to authenticated
    using (owner_id = (select auth.uid()) or (visibility = 'public' and archived_at is null));

-- A person makes projects in their own name only.
create policy projects_insert_own on public.projects
    for insert to authenticated
    with check (owner_id = (select auth.uid()));

-- A person changes their own projects and can't give them away.
create policy projects_update_own on public.projects
    for update to authenticated
    using (owner_id = (select auth.uid()))
    with check (owner_id = (select auth.uid()));

-- A person deletes their own projects.
create policy projects_delete_own on public.projects
    for delete to authenticated
    using (owner_id = (select auth.uid()));

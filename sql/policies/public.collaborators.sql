-- public.collaborators: owner and admins manage them; everybody sees and may leave their own membership.
-- Other members are seen by public.project_members, which shows names and no addresses.
-- Eight parts, and not one list: migration project_membership says why. The last condition is for super administrators.

-- A person reads their own invitations and memberships, and all of the projects in which they may invite.
create policy collaborators_select_own_or_manager on public.collaborators
    for select to authenticated
    using (
        user_id = (select auth.uid())
        or (uuid_hash(project_id) & 7 = 0 and project_id = any((select private.led_projects(0))::uuid[]))
        or (uuid_hash(project_id) & 7 = 1 and project_id = any((select private.led_projects(1))::uuid[]))
        or (uuid_hash(project_id) & 7 = 2 and project_id = any((select private.led_projects(2))::uuid[]))
        or (uuid_hash(project_id) & 7 = 3 and project_id = any((select private.led_projects(3))::uuid[]))
        or (uuid_hash(project_id) & 7 = 4 and project_id = any((select private.led_projects(4))::uuid[]))
        or (uuid_hash(project_id) & 7 = 5 and project_id = any((select private.led_projects(5))::uuid[]))
        or (uuid_hash(project_id) & 7 = 6 and project_id = any((select private.led_projects(6))::uuid[]))
        or (uuid_hash(project_id) & 7 = 7 and project_id = any((select private.led_projects(7))::uuid[]))
        or project_id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );

-- The owner role reads all: it answers what row policies ask, and nobody logs in as it; backups read all.
create policy collaborators_select_definer on public.collaborators
    for select to app_owner, backup
    using (true);

-- Owner and admins invite in their own name; only the owner makes admins. Nobody accepts for another.
create policy collaborators_insert_manager on public.collaborators
    for insert to authenticated
    with check (
        invited_by = (select auth.uid())
        and accepted_at is null
        and private.may_manage(project_id, role)
    );

-- The owner role keeps an owner who hands a project over in it.
create policy collaborators_insert_definer on public.collaborators
    for insert to app_owner
    with check (true);

-- Owner and admins change roles; only the owner those of admins. The project is held before any row is locked.
create policy collaborators_update_manager on public.collaborators
    for update to authenticated
    using (private.may_manage(project_id, role) and private.lock_members(project_id, role))
    with check (private.may_manage(project_id, role));

-- The owner role accepts an open invitation, for the caller and nobody else; of two rows of that person it keeps one.
create policy collaborators_update_accept on public.collaborators
    for update to app_owner
    using (accepted_at is null or user_id = (select auth.uid()))
    with check (user_id = (select auth.uid()));

-- Owner and admins remove collaborators, only the owner removes admins; everybody may leave.
create policy collaborators_delete_own_or_manager on public.collaborators
    for delete to authenticated
    using (
        user_id = (select auth.uid())
        or private.may_manage(project_id, role) and private.lock_members(project_id, role)
    );

-- The owner role takes the membership of the new owner, and invitations that are declined or over.
create policy collaborators_delete_definer on public.collaborators
    for delete to app_owner
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy collaborators_all_service on public.collaborators
    for all to service_role
    using (true)
    with check (true);

-- Who has left finds nothing here any more, though their token isn't over yet.
create policy collaborators_all_present on public.collaborators
    as restrictive for all to authenticated
    using ((select private.is_here()));

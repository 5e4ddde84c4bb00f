-- public.collaborators: owner and admins manage them; everybody sees and may leave their own membership.
-- Other members are seen by public.project_members, which shows names and no addresses.

-- A person reads their own invitations and memberships, and all of the projects in which they may invite.
create policy collaborators_select_own_or_manager on public.collaborators
    for select to authenticated
    using (
        user_id = (select auth.uid())
        or project_id = any(array(select private.manageable_project_ids()))
    );

-- The owner role reads all: it answers what row policies ask, and nobody logs in as it.
create policy collaborators_select_definer on public.collaborators
    for select to app_owner
    using (true);

-- Owner and admins invite in their own name; only the owner makes admins. Nobody accepts for another.
create policy collaborators_insert_manager on public.collaborators
    for insert to authenticated
    with check (
        invited_by = (select auth.uid())
        and accepted_at is null
        and private.may_manage(project_id, role)
    );

-- The owner role keeps whoever hands a project over in it.
create policy collaborators_insert_definer on public.collaborators
    for insert to app_owner
    with check (true);

-- Owner and admins change roles; only the owner those of admins.
create policy collaborators_update_manager on public.collaborators
    for update to authenticated
    using (
        project_id = any(array(select private.manageable_project_ids()))
        and private.may_manage(project_id, role)
    )
    with check (private.may_manage(project_id, role));

-- The owner role accepts an open invitation, for whoever asks and nobody else.
create policy collaborators_update_accept on public.collaborators
    for update to app_owner
    using (accepted_at is null)
    with check (user_id = (select auth.uid()));

-- Owner and admins remove collaborators, only the owner removes admins; everybody may leave.
create policy collaborators_delete_own_or_manager on public.collaborators
    for delete to authenticated
    using (
        user_id = (select auth.uid())
        or (
            project_id = any(array(select private.manageable_project_ids()))
            and private.may_manage(project_id, role)
        )
    );

-- The owner role takes the membership of whoever becomes the owner.
create policy collaborators_delete_definer on public.collaborators
    for delete to app_owner
    using (true);

-- public.prompt_generations: for members of the project only, also where it is public: they show what was paid.
-- Answers, tokens and cost are written by the app's servers; no person can claim any.
-- Eight parts, and not one list: migration project_membership says why. The last condition is for super administrators.

-- A person reads the generations of their own projects and of those they have accepted to work in.
create policy prompt_generations_select_member on public.prompt_generations
    for select to authenticated
    using (
        (uuid_hash(project_id) & 7 = 0 and project_id = any((select private.my_projects(0))::uuid[]))
        or (uuid_hash(project_id) & 7 = 1 and project_id = any((select private.my_projects(1))::uuid[]))
        or (uuid_hash(project_id) & 7 = 2 and project_id = any((select private.my_projects(2))::uuid[]))
        or (uuid_hash(project_id) & 7 = 3 and project_id = any((select private.my_projects(3))::uuid[]))
        or (uuid_hash(project_id) & 7 = 4 and project_id = any((select private.my_projects(4))::uuid[]))
        or (uuid_hash(project_id) & 7 = 5 and project_id = any((select private.my_projects(5))::uuid[]))
        or (uuid_hash(project_id) & 7 = 6 and project_id = any((select private.my_projects(6))::uuid[]))
        or (uuid_hash(project_id) & 7 = 7 and project_id = any((select private.my_projects(7))::uuid[]))
        or project_id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );

-- The owner role reads all, to sum them up for the summaries; backups read all.
create policy prompt_generations_select_definer on public.prompt_generations
    for select to app_owner, backup
    using (true);

-- The owner role ends a generation, for the servers that record it.
create policy prompt_generations_update_definer on public.prompt_generations
    for update to app_owner
    using (true)
    with check (true);

-- Owner, admins and editors ask for a generation, in their own name.
create policy prompt_generations_insert_editor on public.prompt_generations
    for insert to authenticated
    with check (
        created_by = (select auth.uid())
        and status = 'pending'
        and private.may_edit(project_id)
    );

-- Owner, admins and editors cancel a generation that is not over.
create policy prompt_generations_update_editor on public.prompt_generations
    for update to authenticated
    using (
        status in ('pending', 'running')
        and private.may_edit(project_id)
    )
    with check (status = 'cancelled' and private.may_edit(project_id));

-- Owner, admins and editors delete generations.
create policy prompt_generations_delete_editor on public.prompt_generations
    for delete to authenticated
    using (private.may_edit(project_id));

-- The owner role empties the projects of who has left, and deletes old generations where a setting says so.
create policy prompt_generations_delete_departed on public.prompt_generations
    for delete to app_owner
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy prompt_generations_all_service on public.prompt_generations
    for all to service_role
    using (true)
    with check (true);

-- Who has left finds nothing here any more, though their token isn't over yet.
create policy prompt_generations_all_present on public.prompt_generations
    as restrictive for all to authenticated
    using ((select private.is_here()));

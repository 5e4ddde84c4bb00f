-- public.prompt_generations: for members of the project only, also where it is public: they show what was paid.
-- Answers, tokens and cost are written by the app's servers, which bypass; no person can claim any.

-- A person reads the generations of their own projects and of those they have accepted to work in.
create policy prompt_generations_select_member on public.prompt_generations
    for select to authenticated
    using (project_id = any(array(select private.my_project_ids())));

-- The owner role reads all, to sum them up for the summaries.
create policy prompt_generations_select_definer on public.prompt_generations
    for select to app_owner
    using (true);

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
        and project_id = any(array(select private.editable_project_ids()))
    )
    with check (status = 'cancelled' and private.may_edit(project_id));

-- Owner, admins and editors delete generations.
create policy prompt_generations_delete_editor on public.prompt_generations
    for delete to authenticated
    using (project_id = any(array(select private.editable_project_ids())));

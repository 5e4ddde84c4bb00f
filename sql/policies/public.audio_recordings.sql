-- public.audio_recordings: for members of the project only, also where it is public: a voice is personal.

-- A person reads the recordings of their own projects and of those they have accepted to work in.
create policy audio_recordings_select_member on public.audio_recordings
    for select to authenticated
    using (project_id = any(array(select private.my_project_ids())));

-- The owner role reads all, to count them for the summaries.
create policy audio_recordings_select_definer on public.audio_recordings
    for select to app_owner
    using (true);

-- The owner role notes what the scanner found.
create policy audio_recordings_update_definer on public.audio_recordings
    for update to app_owner
    using (true)
    with check (true);

-- Owner, admins and editors add recordings, of files in their own folder: the file goes when the row is deleted.
create policy audio_recordings_insert_editor on public.audio_recordings
    for insert to authenticated
    with check (
        created_by = (select auth.uid())
        and object_path like (select auth.uid())::text || '/%'
        and private.may_edit(project_id)
    );

-- Owner, admins and editors rename recordings and correct transcripts.
create policy audio_recordings_update_editor on public.audio_recordings
    for update to authenticated
    using (project_id = any(array(select private.editable_project_ids())))
    with check (private.may_edit(project_id));

-- Owner, admins and editors delete recordings.
create policy audio_recordings_delete_editor on public.audio_recordings
    for delete to authenticated
    using (project_id = any(array(select private.editable_project_ids())));

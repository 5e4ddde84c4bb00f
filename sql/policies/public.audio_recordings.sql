-- public.audio_recordings: for members of the project only, also where it is public: a voice is personal.
-- Eight parts, and not one list: migration project_membership says why. The last condition is for super administrators.

-- A person reads the recordings of their own projects and of those they have accepted to work in.
create policy audio_recordings_select_member on public.audio_recordings
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

-- The owner role reads all, to count them for the summaries; backups read all.
create policy audio_recordings_select_definer on public.audio_recordings
    for select to app_owner, backup
    using (true);

-- The owner role notes what the scanner found.
create policy audio_recordings_update_definer on public.audio_recordings
    for update to app_owner
    using (true)
    with check (true);

-- Owner, admins and editors add recordings, in their own name. That the file is the project's is a check of the table.
create policy audio_recordings_insert_editor on public.audio_recordings
    for insert to authenticated
    with check (
        created_by = (select auth.uid())
        and private.may_edit(project_id)
    );

-- Owner, admins and editors rename recordings and correct transcripts.
create policy audio_recordings_update_editor on public.audio_recordings
    for update to authenticated
    using (private.may_edit(project_id))
    with check (private.may_edit(project_id));

-- Owner, admins and editors delete recordings.
create policy audio_recordings_delete_editor on public.audio_recordings
    for delete to authenticated
    using (private.may_edit(project_id));

-- The owner role empties the projects of who has left.
create policy audio_recordings_delete_departed on public.audio_recordings
    for delete to app_owner
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy audio_recordings_all_service on public.audio_recordings
    for all to service_role
    using (true)
    with check (true);

-- Who has left finds nothing here any more, though their token isn't over yet.
create policy audio_recordings_all_present on public.audio_recordings
    as restrictive for all to authenticated
    using ((select private.is_here()));

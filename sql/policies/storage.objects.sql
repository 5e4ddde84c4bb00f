-- storage.objects: in bucket audio each person has a folder named by their id; all else is for service_role.
-- The range of names says the same as the folder ('0' is the character after '/'), so that an index can answer.
-- The last condition of each is for super administrators.

-- A person lists and hears recordings in their own folder.
create policy objects_select_own_audio on storage.objects
    for select to authenticated
    using (
        (
            bucket_id = 'audio'
            and (storage.foldername(name))[1] = (select auth.uid())::text
            and name collate "C" >= (select auth.uid())::text || '/'
            and name collate "C" < (select auth.uid())::text || '0'
        )
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );

-- A person uploads into their own folder only.
create policy objects_insert_own_audio on storage.objects
    for insert to authenticated
    with check (
        (
            bucket_id = 'audio'
            and (storage.foldername(name))[1] = (select auth.uid())::text
        )
        or (select private.is_super_admin())
    );

-- A person overwrites and moves recordings within their own folder.
create policy objects_update_own_audio on storage.objects
    for update to authenticated
    using (
        (
            bucket_id = 'audio'
            and (storage.foldername(name))[1] = (select auth.uid())::text
            and name collate "C" >= (select auth.uid())::text || '/'
            and name collate "C" < (select auth.uid())::text || '0'
        )
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    )
    with check (
        (
            bucket_id = 'audio'
            and (storage.foldername(name))[1] = (select auth.uid())::text
        )
        or (select private.is_super_admin())
    );

-- A person deletes recordings in their own folder.
create policy objects_delete_own_audio on storage.objects
    for delete to authenticated
    using (
        (
            bucket_id = 'audio'
            and (storage.foldername(name))[1] = (select auth.uid())::text
            and name collate "C" >= (select auth.uid())::text || '/'
            and name collate "C" < (select auth.uid())::text || '0'
        )
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy objects_all_service on storage.objects
    for all to service_role
    using (true)
    with check (true);

-- storage.objects: each person has a folder named by their id in audio, avatars and exports; all else is for
-- service_role. Members of a project hear its recordings, wherever they lie, once they were scanned clean.
-- The Storage API looks rows up as storage_service where it serves everybody (decision 18).
-- The range of names says the same as the folder ('0' is the character after '/'), so that an index can answer.
-- The last condition of each is for super administrators.

-- A person lists and reads what is in their own folders, scanned or not, and hears the clean recordings of their
-- projects: few by their names, many one by one. What was found harmful nobody reads; the Storage API asks for a row
-- before it deletes it, so that whoever uploaded it can take it away.
create policy objects_select_own on storage.objects
    for select to authenticated
    using (
        (
            bucket_id = any('{audio,avatars,exports}')
            and (storage.foldername(name))[1] = (select auth.uid())::text
            and name collate "C" >= (select auth.uid())::text || '/'
            and name collate "C" < (select auth.uid())::text || '0'
            and (
                bucket_id || '/' || name || '/' || coalesce(version, '')
                != all((select private.my_harmful())::text[])
                or (select storage.allow_any_operation(array['object.delete', 'object.delete_many']))
            )
        )
        or (
            bucket_id = 'audio'
            and name collate "C" = any((select private.few_recordings())::text[])
            and private.may_hear(bucket_id, name, version)
        )
        or (
            id between (select private.many_recordings_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
            and private.may_hear(bucket_id, name, version)
        )
        or (
            id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
            and (
                private.is_clean(bucket_id, name, version)
                or (select storage.allow_any_operation(array['object.delete', 'object.delete_many']))
            )
        )
    );

-- The owner role reads all, to find what a deleted person leaves and to report growth.
create policy objects_select_definer on storage.objects
    for select to app_owner
    using (true);

-- A person uploads into their own folders only, files that the bucket takes by ending and declared type. Exports are
-- made by the servers.
create policy objects_insert_own on storage.objects
    for insert to authenticated
    with check (
        (
            bucket_id = any('{audio,avatars}')
            and (storage.foldername(name))[1] = (select auth.uid())::text
            and private.takes(bucket_id, name, metadata ->> 'mimetype')
        )
        or (select private.is_super_admin())
    );

-- A person overwrites and moves files within their own folders.
create policy objects_update_own on storage.objects
    for update to authenticated
    using (
        (
            bucket_id = any('{audio,avatars}')
            and (storage.foldername(name))[1] = (select auth.uid())::text
            and name collate "C" >= (select auth.uid())::text || '/'
            and name collate "C" < (select auth.uid())::text || '0'
        )
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    )
    with check (
        (
            bucket_id = any('{audio,avatars}')
            and (storage.foldername(name))[1] = (select auth.uid())::text
            and private.takes(bucket_id, name, metadata ->> 'mimetype')
        )
        or (select private.is_super_admin())
    );

-- A person deletes files in their own folders, exports too.
create policy objects_delete_own on storage.objects
    for delete to authenticated
    using (
        (
            bucket_id = any('{audio,avatars,exports}')
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

-- The Storage API finds what was scanned clean in just this version, for whomever; the rest only while it does one of
-- these, none of which gives anybody the bytes. An operation that isn't named serves, whatever it is.
create policy objects_select_storage_service on storage.objects
    for select to storage_service
    using (
        private.is_clean(bucket_id, name, version)
        or (select storage.allow_any_operation(array[
            'object.upload', 'object.upload_update', 'object.upload_signed', 'tus.upload.create', 'tus.upload.part',
            'object.copy', 'object.move', 'object.delete', 'object.delete_many', 'bucket.empty', 'bucket.delete'
        ]))
    );

-- The Storage API writes down what was uploaded, when it has asked as the person and has stored the bytes.
create policy objects_insert_storage_service on storage.objects
    for insert to storage_service
    with check (true);

-- The Storage API overwrites and moves, likewise, what it finds.
create policy objects_update_storage_service on storage.objects
    for update to storage_service
    using (true)
    with check (true);

-- The Storage API deletes, likewise, what it finds.
create policy objects_delete_storage_service on storage.objects
    for delete to storage_service
    using (true);

-- The cleaner compares all rows with the files that are there.
create policy objects_select_cleaner on storage.objects
    for select to cleaner
    using (true);

-- The cleaner deletes the rows of files that it has deleted, or that are gone.
create policy objects_delete_cleaner on storage.objects
    for delete to cleaner
    using (true);

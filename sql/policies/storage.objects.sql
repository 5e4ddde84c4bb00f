-- storage.objects: who may what in a bucket goes by the access that is declared of it. Each person has a folder named
-- by their id, in some buckets to read and delete only; each project one, where the role in the project says who may
-- what; all else is for service_role. Others wait until a file is scanned clean.
-- The Storage API looks rows up as storage_service where it serves everybody (decision 18). What a person writes it
-- tries as the person and writes itself: what a person would commit is refused by a trigger (decision 31).
-- The range of names says the same as the folder ('0' is the character after '/'), so that an index can answer.
-- The last condition of each is for super administrators.

-- A person lists and reads what is in their own folders, scanned or not, and in their projects what is clean, or was
-- uploaded by them: few by their names, many and new ones one by one. What was found harmful nobody reads; the Storage
-- API asks for a row before it deletes or replaces it, so that the uploader can take it away, and in a project
-- who may edit.
create policy objects_select_own on storage.objects
    for select to authenticated
    using (
        (
            bucket_id = any((select private.buckets_of('{people,inbox}'))::text[])
            and name collate "C" >= (select auth.uid())::text || '/'
            and name collate "C" < (select auth.uid())::text || '0'
            and (
                bucket_id || '/' || name || '/' || coalesce(version, '')
                != all((select private.my_harmful())::text[])
                or (select private.is_operation(array['object.delete', 'object.delete_many']))
            )
        )
        or (
            bucket_id = any((select private.buckets_of('{projects}'))::text[])
            and name collate "C" = any((select private.few_files())::text[])
            and private.may_find(bucket_id, name, version, owner_id, (select private.is_operation(array[
                'object.delete', 'object.delete_many', 'object.upload', 'object.upload_update', 'object.sign_upload_url'
            ])))
        )
        or (
            id between (select private.many_files_from((select private.is_operation(array[
                'object.upload', 'object.upload_update', 'object.sign_upload_url', 'object.move', 'object.copy',
                'tus.upload.create', 'tus.upload.part'
            ])))) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
            and bucket_id = any((select private.buckets_of('{projects}'))::text[])
            and private.may_find(bucket_id, name, version, owner_id, (select private.is_operation(array[
                'object.delete', 'object.delete_many', 'object.upload', 'object.upload_update', 'object.sign_upload_url'
            ])))
        )
        or (
            id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
            and (
                private.is_clean(bucket_id, name, version)
                or (select private.is_operation(array['object.delete', 'object.delete_many']))
            )
        )
    );

-- The owner role reads all, to find what a deleted person leaves and to report growth; backups read all.
create policy objects_select_definer on storage.objects
    for select to app_owner, backup
    using (true);

-- A person uploads into their own folder, and into those of projects that they may edit, files that the bucket takes by
-- ending and declared type. What is in an inbox the servers have stored.
create policy objects_insert_own on storage.objects
    for insert to authenticated
    with check (
        (
            bucket_id = any((select private.buckets_of('{people}'))::text[])
            and starts_with(name, (select auth.uid())::text || '/')
            and private.takes(bucket_id, name, metadata ->> 'mimetype')
        )
        or (
            bucket_id = any((select private.buckets_of('{projects}'))::text[])
            and private.may_store(name)
            and private.takes(bucket_id, name, metadata ->> 'mimetype')
        )
        or (select private.is_super_admin())
    );

-- A person overwrites and moves files within their own folder, and within and between projects that they may edit.
create policy objects_update_own on storage.objects
    for update to authenticated
    using (
        (
            bucket_id = any((select private.buckets_of('{people}'))::text[])
            and name collate "C" >= (select auth.uid())::text || '/'
            and name collate "C" < (select auth.uid())::text || '0'
        )
        or (bucket_id = any((select private.buckets_of('{projects}'))::text[]) and private.may_store(name))
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    )
    with check (
        (
            bucket_id = any((select private.buckets_of('{people}'))::text[])
            and starts_with(name, (select auth.uid())::text || '/')
            and private.takes(bucket_id, name, metadata ->> 'mimetype')
        )
        or (
            bucket_id = any((select private.buckets_of('{projects}'))::text[])
            and private.may_store(name)
            and private.takes(bucket_id, name, metadata ->> 'mimetype')
        )
        or (select private.is_super_admin())
    );

-- A person deletes files in their own folders, an inbox too, and in projects that they may edit.
create policy objects_delete_own on storage.objects
    for delete to authenticated
    using (
        (
            bucket_id = any((select private.buckets_of('{people,inbox}'))::text[])
            and name collate "C" >= (select auth.uid())::text || '/'
            and name collate "C" < (select auth.uid())::text || '0'
        )
        or (bucket_id = any((select private.buckets_of('{projects}'))::text[]) and private.may_store(name))
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
        or (select private.is_operation(array[
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

-- Who has left finds nothing here any more, though their token isn't over yet.
create policy objects_all_present on storage.objects
    as restrictive for all to authenticated
    using ((select private.is_here()));

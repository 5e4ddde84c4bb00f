-- storage.buckets: what there is and its limits; declared by the program, for the app's servers and the Storage API.

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy buckets_all_service on storage.buckets
    for all to service_role
    using (true)
    with check (true);

-- The owner role reads the limits, for the trigger and the row policies of storage.objects; backups read all.
create policy buckets_select_definer on storage.buckets
    for select to app_owner, backup
    using (true);

-- The Storage API looks a bucket up before it asks who may read its files.
create policy buckets_select_storage_service on storage.buckets
    for select to storage_service
    using (true);

-- storage.buckets: what there is and its limits; declared by the program, for the app's servers alone.

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy buckets_all_service on storage.buckets
    for all to service_role
    using (true)
    with check (true);

-- The owner role reads the limits, for the trigger and the row policies of storage.objects.
create policy buckets_select_definer on storage.buckets
    for select to app_owner
    using (true);

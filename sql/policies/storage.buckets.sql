-- storage.buckets: what there is and its limits; declared by the program, for the app's servers alone.

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy buckets_all_service on storage.buckets
    for all to service_role
    using (true)
    with check (true);

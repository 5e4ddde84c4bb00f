-- analytics.api_usage: written by the app's servers; read by the person it was for.

-- A person reads what they used.
create policy api_usage_select_own on analytics.api_usage
    for select to authenticated
    using (
        user_id = (select auth.uid())
        or user_id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
        or (user_id is null and (select private.is_super_admin()))
    );

-- The owner role reads all, to sum it up by day; backups read all.
create policy api_usage_select_definer on analytics.api_usage
    for select to app_owner, backup
    using (true);

-- The owner role records what a generation used.
create policy api_usage_insert_definer on analytics.api_usage
    for insert to app_owner
    with check (true);

-- The owner role takes a person out when they go; what it cost stays.
create policy api_usage_update_definer on analytics.api_usage
    for update to app_owner
    using (true)
    with check (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy api_usage_all_service on analytics.api_usage
    for all to service_role
    using (true)
    with check (true);

-- Who has left finds nothing here any more, though their token isn't over yet.
create policy api_usage_all_present on analytics.api_usage
    as restrictive for all to authenticated
    using ((select private.is_here()));

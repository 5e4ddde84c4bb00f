-- analytics.user_activity: written by the app's servers; read by the person it is about.

-- A person reads what they did.
create policy user_activity_select_own on analytics.user_activity
    for select to authenticated
    using (
        user_id = (select auth.uid())
        or user_id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );

-- The owner role finds what a person did, to delete it when they go; backups read all.
create policy user_activity_select_definer on analytics.user_activity
    for select to app_owner, backup
    using (true);

-- The owner role notes for people what the scanner found in their files.
create policy user_activity_insert_definer on analytics.user_activity
    for insert to app_owner
    with check (true);

-- The owner role deletes what a person did when they go.
create policy user_activity_delete_definer on analytics.user_activity
    for delete to app_owner
    using (true);

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy user_activity_all_service on analytics.user_activity
    for all to service_role
    using (true)
    with check (true);

-- Who has left finds nothing here any more, though their token isn't over yet.
create policy user_activity_all_present on analytics.user_activity
    as restrictive for all to authenticated
    using ((select private.is_here()));

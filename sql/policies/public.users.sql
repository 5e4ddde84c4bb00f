-- public.users: people read and change their own profile; profiles begin by trigger and end with the person.

-- A person reads their own profile.
create policy users_select_own on public.users
    for select to authenticated
    using (
        id = (select auth.uid())
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );

-- The owner role reads names and pictures, to tell the members of a project who the others are; backups read all.
create policy users_select_definer on public.users
    for select to app_owner, backup
    using (true);

-- Row security binds the owner too: a new person's profile is made by a trigger that runs as the owner.
create policy users_insert_sign_up on public.users
    for insert to app_owner
    with check (true);

-- The owner role empties the profile of who has left.
create policy users_update_departed on public.users
    for update to app_owner
    using (exists (select from private.departures as d where d.user_id = users.id))
    with check (true);

-- The owner role deletes the profile of who has left.
create policy users_delete_departed on public.users
    for delete to app_owner
    using (exists (select from private.departures as d where d.user_id = users.id));

-- A person changes their own profile and stays who they are.
create policy users_update_own on public.users
    for update to authenticated
    using (
        id = (select auth.uid())
        or id between (select private.supervised_from()) and 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    )
    with check (id = (select auth.uid()) or (select private.is_super_admin()));

-- The app's servers read and write every row, also on a server where their role can't be made to bypass row security.
create policy users_all_service on public.users
    for all to service_role
    using (true)
    with check (true);

-- Who has left finds nothing here any more, though their token isn't over yet.
create policy users_all_present on public.users
    as restrictive for all to authenticated
    using ((select private.is_here()));

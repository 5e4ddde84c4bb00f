-- public.users: people read and change their own profile; profiles begin by trigger and end with the person.

-- A person reads their own profile.
create policy users_select_own on public.users
    for select to authenticated
    using (id = (select auth.uid()));

-- The owner role reads names and pictures, to tell the members of a project who the others are.
create policy users_select_definer on public.users
    for select to app_owner
    using (true);

-- Row security binds the owner too: a new person's profile is made by a trigger that runs as the owner.
create policy users_insert_sign_up on public.users
    for insert to app_owner
    with check (true);

-- A person changes their own profile and stays who they are.
create policy users_update_own on public.users
    for update to authenticated
    using (id = (select auth.uid()))
    with check (id = (select auth.uid()));

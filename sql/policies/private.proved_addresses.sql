-- private.proved_addresses: reached by functions of the owner role alone; row security binds that role too.

-- The owner role compares the address of the caller; backups read all.
create policy proved_addresses_select_definer on private.proved_addresses
    for select to app_owner, backup
    using (true);

-- The owner role notes what a provider says when an account is linked.
create policy proved_addresses_insert_definer on private.proved_addresses
    for insert to app_owner
    with check (true);

-- The owner role takes the address of a sign-up when the first account is linked, and what an account said before.
create policy proved_addresses_delete_definer on private.proved_addresses
    for delete to app_owner
    using (true);

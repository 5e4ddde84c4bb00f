-- private.budget_reservations: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what is reserved; backups read all.
create policy budget_reservations_select_definer on private.budget_reservations
    for select to app_owner, backup
    using (true);

-- The owner role reserves.
create policy budget_reservations_insert_definer on private.budget_reservations
    for insert to app_owner
    with check (true);

-- The owner role reserves again, and takes a person out when they go.
create policy budget_reservations_update_definer on private.budget_reservations
    for update to app_owner
    using (true)
    with check (true);

-- The owner role frees what is over.
create policy budget_reservations_delete_definer on private.budget_reservations
    for delete to app_owner
    using (true);

-- private.stale_summaries: reached by functions of the owner role alone; row security binds that role too.

-- The owner role reads what has changed; backups read all.
create policy stale_summaries_select_definer on private.stale_summaries
    for select to app_owner, backup
    using (true);

-- The owner role notes what has changed.
create policy stale_summaries_insert_definer on private.stale_summaries
    for insert to app_owner
    with check (true);

-- The owner role has summed it up.
create policy stale_summaries_delete_definer on private.stale_summaries
    for delete to app_owner
    using (true);

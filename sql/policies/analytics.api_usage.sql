-- analytics.api_usage: written by the app's servers, which bypass; read by whoever it was for.

-- A person reads what they used.
create policy api_usage_select_own on analytics.api_usage
    for select to authenticated
    using (user_id = (select auth.uid()));

-- The owner role reads all, to sum it up by day.
create policy api_usage_select_definer on analytics.api_usage
    for select to app_owner
    using (true);

-- The owner role takes a person out when they go; what it cost stays.
create policy api_usage_update_definer on analytics.api_usage
    for update to app_owner
    using (true)
    with check (true);

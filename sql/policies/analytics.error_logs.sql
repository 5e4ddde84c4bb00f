-- analytics.error_logs: written and read by the app's servers, which bypass; messages may quote anybody's data.

-- The owner role finds the errors of a person who goes.
create policy error_logs_select_definer on analytics.error_logs
    for select to app_owner
    using (true);

-- The owner role takes a person out when they go; the error stays.
create policy error_logs_update_definer on analytics.error_logs
    for update to app_owner
    using (true)
    with check (true);

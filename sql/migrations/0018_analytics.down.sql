-- 0018 analytics: takes the analytics away again, every month of them.
-- Lock: access exclusive on the four tables, and on public.users for the trigger. Duration: instant.
-- Down: loses all that was recorded: activity, usage and its cost, errors, measurements.

drop trigger _300_forget on public.users;
drop function private.tg_users__forget();
drop table analytics.performance_metrics;
drop table analytics.error_logs;
drop table analytics.api_usage;
drop table analytics.user_activity;

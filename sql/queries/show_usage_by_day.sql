-- show_usage_by_day: the person's dashboard: usage by day.
-- Role: authenticated. Since: 0020.
-- Parameters: none.
-- Index: daily_usage_user_id_day_idx.
-- Plan: index scan of the summary.

select day, model, requests, cost from public.usage_by_day();

-- show_usage_by_day: the person's dashboard: usage by day in their time zone.
-- Role: authenticated. Since: 0019. Reader.
-- Parameters: none.
-- Index: api_usage_user_id_created_at_idx.
-- Plan: index-only scans of the months.

select day, model, requests, cost from public.usage_by_day();

-- sum_my_usage: what the person's use of models came to in the last 30 days.
-- Role: authenticated. Since: 0019. Reader.
-- Parameters: none.
-- Index: api_usage_user_id_created_at_idx.
-- Plan: index-only scans of the last two months.

select provider, model, requests, cost from public.usage_summary();

-- show_usage_overview: what everybody's use of models came to by day, in which nobody can be found.
-- Role: authenticated. Since: 0026.
-- Parameters: none.
-- Index: usage_overview_day_idx.
-- Plan: index scan of the days.

select day, model, requests, tokens from public.usage_overview();

-- show_usage_overview: what everybody's use of models came to by day, in which nobody can be found.
-- Role: authenticated. Since: 0020. Reader. Cache: summary.
-- Parameters: none.
-- Index: none.
-- Plan: some rows a day, read in one page or two.

select day, model, requests, tokens from public.usage_overview();

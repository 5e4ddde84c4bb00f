-- show_project_summaries: the person's dashboard: what is in these projects.
-- Role: authenticated. Since: 0020. Cache: summary.
-- Parameters: $1 projects uuid[].
-- Index: project_totals_pkey.
-- Plan: the summary by its key.

select project_id, components, recordings, generations, cost from public.project_summaries($1);

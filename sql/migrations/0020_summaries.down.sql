-- 0020 summaries: takes the summaries and their functions away again.
-- Lock: access exclusive on functions, summaries, usage and what is in projects. Duration: instant.
-- Down: loses the summaries and the triggers that keep them; the way up makes them again from what stays.

-- With its triggers, of which each month has its own.
drop function private.tg_api_usage__stale_days() cascade;
drop function private.tg__stale_projects() cascade;
drop function public.usage_overview(date, date);
drop function public.project_summaries(uuid[]);
drop function ops.refresh_summaries();
drop function private.usage_overview(date, date);
drop function private.project_summaries(uuid[]);
drop function private.refresh_summaries();
drop table private.stale_summaries;
drop table analytics.usage_overview;
drop table analytics.project_totals;

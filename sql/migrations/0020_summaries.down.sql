-- 0020 summaries: takes the summaries and their functions away again.
-- Lock: access exclusive on functions and summaries. Duration: instant.
-- Down: loses no data.

-- The summaries are made from what stays.

drop function public.usage_overview(date, date);
drop function public.project_summaries(uuid[]);
drop function public.usage_by_day(date, date);
drop function ops.refresh_summaries();
drop function private.usage_overview(date, date);
drop function private.project_summaries(uuid[]);
drop function private.usage_by_day(date, date);
drop function private.refresh_summaries();
drop materialized view analytics.usage_overview;
drop materialized view analytics.project_totals;
drop materialized view analytics.daily_usage;
drop function private.sum_project_totals();
drop function private.sum_daily_usage();

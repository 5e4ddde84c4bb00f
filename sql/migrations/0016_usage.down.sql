-- 0016 usage: takes the summaries and the functions on usage away again.
-- Lock: access exclusive on functions and summaries. Duration: instant.
-- Down: loses no data.

-- The summaries are made from what stays.

drop function public.project_summaries(uuid[]);
drop function public.usage_by_day(date, date);
drop function ops.refresh_summaries();
drop function private.project_summaries(uuid[]);
drop function private.usage_by_day(date, date);
drop function private.refresh_summaries();
drop materialized view analytics.project_totals;
drop materialized view analytics.daily_usage;
drop function public.usage_summary(timestamptz);
drop function public.record_generation(
    uuid, uuid, text, text, text, jsonb, text, text, bigint, bigint, numeric, bigint, uuid
);

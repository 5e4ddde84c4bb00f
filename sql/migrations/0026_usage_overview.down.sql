-- 0026 usage_overview: takes the summary and its functions away again.
-- Lock: access exclusive on them. Duration: instant.
-- Down: loses no data.

-- The summary is made from what stays.

drop function public.usage_overview(date, date);
drop function private.usage_overview(date, date);
drop materialized view analytics.usage_overview;

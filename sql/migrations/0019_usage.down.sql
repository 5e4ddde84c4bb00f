-- 0019 usage: takes the functions on usage away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

drop function public.usage_by_day(date, date);
drop function public.usage_summary(timestamptz);

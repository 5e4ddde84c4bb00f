-- 0019 usage: takes the function on usage away again.
-- Lock: access exclusive on the function. Duration: instant.
-- Down: loses no data.

drop function public.usage_summary(timestamptz);

-- 0019 usage: takes the functions on usage away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

drop function public.usage_summary(timestamptz);
drop function public.record_generation(
    uuid, uuid, text, text, text, jsonb, text, text, bigint, bigint, numeric, bigint, uuid
);

-- 0031 recorded_calls: takes the recording of calls away again.
-- Lock: access exclusive on the table and the functions. Duration: instant.
-- Down: loses which calls were recorded, so that a retry is paid again; usage stays.

drop function ops.forget_calls();
drop function public.record_generation(uuid, text, text, text, bigint, bigint, numeric, bigint);
drop function private.forget_calls();
drop function private.record_generation(uuid, text, text, text, bigint, bigint, numeric, bigint);
drop table private.recorded_calls;

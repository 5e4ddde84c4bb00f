-- 0034 generation_retention: keeps generations for ever again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data; generations are kept for ever.

drop procedure ops.forget_generations(bigint, bigint);
drop function private.forget_generations(uuid, bigint);

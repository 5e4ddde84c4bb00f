-- 0029 slow_statements: the function goes.
-- Lock: none. Duration: instant.
-- Down: loses no data.

drop function ops.slow_statements(integer);

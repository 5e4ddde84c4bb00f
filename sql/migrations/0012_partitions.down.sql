-- 0012 partitions: takes the housekeeping functions away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

-- No partition is made or retired any more.

drop function ops.forget_expired();
drop function ops.retire_partitions(interval);
drop function ops.make_partitions(integer, date);
drop function private.forget_expired();
drop function private.retire_partitions(interval);
drop function private.make_partition(text, text, text);
drop function private.make_partitions(integer, date);

-- 0017 partitions: takes the functions on months away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

-- No partition is made or retired any more.

drop function ops.retire_partitions(interval, interval);
drop function ops.retire_partitions(interval);
drop function ops.make_partitions(integer, date);
drop procedure ops.keep_partitions(integer, interval, interval, text[], text[], text[]);
drop function private.retire_partitions(interval, interval);
drop function private.make_partitions(integer, date);
drop function private.retire_partition(text, text, text, date);
drop function private.add_partition(text, text, text, date);
drop function private.close_partition(text, text, text);
drop function private.copy_trigger(oid, regclass);
drop function private.set_trigger(regclass, name, text);
drop function private.make_partition(text, text, text, text);
drop function private.old_partitions(interval, interval);
drop function private.missing_partitions(integer, date);

-- 0035 storage_cleaner: the cleaner's login loses its functions, and so can clean nothing.
-- Lock: none. Duration: instant.
-- Down: loses no data.

drop function ops.forget_empty_usage();
drop function ops.finish_deletions(uuid[]);
drop function ops.take_deletions(integer);
drop function ops.waiting_deletions();
drop function ops.forget_quarantined(text, text, text);
drop function ops.quarantine();
drop function ops.recorded_objects(text[], text[]);
drop function private.forget_empty_usage();
drop function private.waiting_deletions();
drop function private.forget_quarantined(text, text, text);
drop function private.quarantine();
drop function private.recorded_objects(text[], text[]);

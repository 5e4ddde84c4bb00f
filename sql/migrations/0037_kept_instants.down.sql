-- 0037 kept_instants: the cleaner knows of no backups.
-- Lock: access exclusive on private.kept_instants. Duration: instant.
-- Down: loses which backups name stored files, so the cleaner removes what they name.

drop function ops.kept_instants();
drop function private.kept_instants();
drop function ops.release_instant(text);
drop function private.release_instant(text);
drop function ops.keep_instant(text, timestamptz, integer);
drop function private.keep_instant(text, timestamptz, integer);
drop table private.kept_instants;

-- 0037 backups: the cleaner knows of no backups, and nobody of their drills.
-- Lock: access exclusive on private.backups. Duration: instant.
-- Down: loses which backups name stored files, so the cleaner removes what they name, and when each was drilled.

drop function ops.drills();
drop function private.drills();
drop function ops.note_drill(text, boolean, interval, interval, text);
drop function private.note_drill(text, boolean, interval, interval, text);
drop function ops.kept_instants();
drop function private.kept_instants();
drop function ops.release_instant(text);
drop function private.release_instant(text);
drop function ops.keep_instant(text, timestamptz, integer, text);
drop function private.keep_instant(text, timestamptz, integer, text);
drop table private.backups;

-- 0021 audit_log: takes the audit trail away.
-- Lock: access exclusive on the tables of the trail. Duration: instant.
-- Down: loses the audit trail, every entry of it.

drop table audit.retired;
drop table audit.heads;
drop table audit.log;
drop function private.tg__append_only();

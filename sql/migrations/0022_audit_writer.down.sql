-- 0022 audit_writer: takes the functions away that write entries.
-- Lock: share row exclusive on audit.retired for its triggers, access exclusive on the functions. Duration: instant.
-- Down: loses the trigger that records audit.retired; what was recorded stays.

-- No table can be recorded any more.

drop function private.tg_audit_retired__audit() cascade;
drop function private.audit_table(regclass, text[], text[], text, boolean);
drop function private.audit_write(text, text, text[], jsonb[], jsonb[], text[]);
drop function private.acts_as_super_admin();
drop function private.audit_lane();
drop function private.audit_hash(bytea, audit.log);

-- 0022 audit_writer: takes the functions away that write entries.
-- Lock: share row exclusive on audit.retired for its triggers, access exclusive on what is dropped. Duration: instant.
-- Down: loses the trigger that records audit.retired, and the keys of personal values; what was recorded stays.

-- No table can be recorded any more.

drop view audit.entries;
drop function private.tg_audit_retired__audit() cascade;
drop function private.audit_table(regclass, text[], text[], text, boolean, text[], text);
drop function private.audit_write(text, text, text[], jsonb[], jsonb[], text[]);
drop function private.acts_as_super_admin();
drop function private.audit_lane();
drop function private.audit_hash(bytea, audit.log);
drop function private.audit_destroy(text);
drop function private.audit_open(jsonb);
drop function private.audit_opened(jsonb, text, bytea);
drop function private.audit_know(text[]);
drop function private.audit_sealed(text, jsonb);
drop function private.audit_subject(text);
drop table private.audit_keys;

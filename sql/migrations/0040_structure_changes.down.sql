-- 0040 structure_changes: the way back.
-- Lock: exclusive on the table that is dropped. Duration: instant.
-- Down: loses what was recorded of changes, and nothing is recorded any more.

reset role;
do $$
begin
    drop event trigger if exists record_drops;
    drop event trigger if exists record_changes;
end
$$;
set local role app_owner;

drop function ops.structure_changes(timestamptz);
drop function private.structure_changes_since(timestamptz);
drop function private.tg_ddl__record();
drop function private.privileges_in(text);
drop table private.structure_changes;

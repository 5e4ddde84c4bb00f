-- 0023 audit_verify: takes the functions away that verify the log and let its months go.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

-- Nobody can verify the log, and its months can't be retired.

drop function audit.anchor();
drop function audit.verify(jsonb, timestamptz);
drop function private.audit_anchor();
drop function private.audit_verify(jsonb, timestamptz);
drop function private.audit_retire(text, timestamptz);

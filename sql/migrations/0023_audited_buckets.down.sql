-- 0023 audited_buckets: records storage buckets no more.
-- Lock: access exclusive on storage.buckets for its triggers. Duration: instant.
-- Down: loses the trigger that records buckets; what was recorded stays.

-- What was recorded stays in the log, and nothing is added.

reset role;
drop function private.tg_storage_buckets__audit() cascade;
set local role app_owner;

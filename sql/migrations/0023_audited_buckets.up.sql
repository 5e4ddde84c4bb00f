-- 0023 audited_buckets: the audit log records who opens a storage bucket to the public, or changes its limits.
-- Lock: share row exclusive on storage.buckets for its triggers. Duration: instant.
-- Down: drops the triggers; what was recorded stays in the log.

-- The platform's own table: only whoever logged in has a right to it by its owner and to our function by ours.
reset role;
select private.audit_table(
    'storage.buckets', recorded => '{name, owner_id, public, file_size_limit, allowed_mime_types, type}'
);
alter function private.tg_storage_buckets__audit() owner to app_owner;
set local role app_owner;

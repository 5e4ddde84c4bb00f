-- 0033 unserved_files: the CDN is told by the cleaner's own deletions alone again.
-- Lock: access exclusive on storage.objects for its triggers. Duration: instant.
-- Down: loses the queue: what the CDN wasn't yet told to forget, it may answer until its copy expires.

reset role;
drop trigger _510_unserve_updated on storage.objects;
drop trigger _500_unserve_deleted on storage.objects;
set local role app_owner;

drop function ops.finish_unserved(uuid[]);
drop function ops.unserved_files(integer);
drop function private.finish_unserved(uuid[]);
drop function private.unserved_files(integer);
drop function private.tg_storage_objects__unserve();
drop table private.unserved_files;

-- 0033 unserved_files: the cleaner's own deletions alone are invalidated at the CDN again.
-- Lock: access exclusive on storage.objects for its triggers. Duration: instant.
-- Down: loses the queue: the CDN may answer with what wasn't invalidated yet until its copy expires.

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

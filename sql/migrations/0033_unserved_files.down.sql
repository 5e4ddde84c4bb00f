-- 0033 unserved_files: the cleaner's own deletions alone are invalidated at the CDN again.
-- Lock: access exclusive on storage.objects and private.settings for their triggers. Duration: instant.
-- Down: loses the queue: the CDN may answer with what wasn't invalidated yet until its copy expires.

reset role;
drop trigger _510_unserve_updated on storage.objects;
drop trigger _500_unserve_deleted on storage.objects;
set local role app_owner;

drop trigger _500_unserve on private.settings;
drop function ops.finish_gone(text[], text[], text[]);
drop function ops.finish_unserved(uuid[]);
drop function ops.unserved_files(integer);
drop function ops.unserve(text[], text[], text[]);
drop function private.finish_gone(text[], text[], text[]);
drop function private.finish_unserved(uuid[]);
drop function private.unserved_files(integer);
drop function private.unserve(text[], text[], text[]);
drop function private.tg_settings__unserve();
drop function private.tg_storage_objects__unserve();
drop function private.is_at_cdn(text);
drop table private.unserved_files;

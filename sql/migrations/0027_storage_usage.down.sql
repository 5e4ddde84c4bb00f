-- 0027 storage_usage: takes the counting and the quotas away again.
-- Lock: access exclusive on storage.objects for its triggers. Duration: instant.
-- Down: loses the quotas that were set; usage is counted anew when it comes back.

reset role;
drop trigger _420_count_delete on storage.objects;
drop trigger _410_count_update on storage.objects;
drop trigger _400_count_insert on storage.objects;
set local role app_owner;

drop function ops.storage_growth(date);
drop function ops.storage_report();
drop function public.storage_usage();
drop function private.storage_growth(date);
drop function private.storage_report();
drop function private.my_storage();
drop function private.tg_storage_objects__count();
drop function private.add_usage(uuid, text, bigint, bigint);
drop function private.folder_owner(text);
drop function private.default_quota();
drop table private.storage_quotas;
drop table private.storage_usage;

-- 0026 storage_access: takes the limits' triggers and the policies' functions away again.
-- Lock: access exclusive on storage.objects for its triggers. Duration: instant.
-- Down: loses no data.

reset role;
drop trigger _110_check_new_limits on storage.objects;
drop trigger _100_check_limits on storage.objects;
set local role app_owner;

drop function private.tg_storage_objects__check_limits();
drop function private.object_bytes(jsonb);
drop function private.takes(text, text, text);
drop function private.type_fits(text, text[]);
drop function private.file_types(text);
drop function private.may_hear(text, text, text);
drop function private.many_recordings_from();
drop function private.few_recordings();
drop function private.my_harmful();

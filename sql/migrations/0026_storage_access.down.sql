-- 0026 storage_access: takes the limits' triggers and the policies' functions away again.
-- Lock: access exclusive on storage.objects for its triggers. Duration: instant.
-- Down: loses no data.

reset role;
drop trigger _900_refuse_person on storage.objects;
drop trigger _210_check_new_project on storage.objects;
drop trigger _200_check_project on storage.objects;
drop trigger _120_check_name on storage.objects;
drop trigger _110_check_new_limits on storage.objects;
drop trigger _100_check_limits on storage.objects;
set local role app_owner;

drop function private.tg_storage_objects__refuse_person();
drop function private.tg_storage_objects__check_project();
drop function private.tg_storage_objects__check_name();
drop function private.tg_storage_objects__check_limits();
drop function private.takes(text, text, text);
drop function private.is_operation(text[]);
drop function private.is_folder_of_somebody(text, uuid);
drop function private.is_file_name(text);
drop function private.type_fits(text, text[]);
drop function private.file_types(text);
drop function private.may_store(text);
drop function private.may_find(text, text, text, text, boolean);
drop function private.project_of(text);
drop function private.many_files_from(boolean);
drop function private.few_files();
drop function private.my_harmful();

-- 0027 storage_usage: takes the counting and the quotas away again.
-- Lock: access exclusive on storage.objects and public.projects for their triggers. Duration: instant.
-- Down: loses quotas, and what is kept until a cleaner notes it again; usage is counted again when it comes back.

reset role;
drop trigger _420_count_delete on storage.objects;
drop trigger _410_count_update on storage.objects;
drop trigger _400_count_insert on storage.objects;
set local role app_owner;

drop trigger _320_charge_delete on private.settings;
drop trigger _310_charge_update on private.settings;
drop trigger _300_charge_insert on private.settings;
drop trigger _320_discharge on public.projects;
drop trigger _310_charge_new_owner on public.projects;
drop trigger _300_charge on public.projects;

drop function ops.storage_growth(date);
drop function ops.storage_report();
drop function ops.note_kept(text[], text[], bigint[]);
drop function public.take_room(text, text, bigint);
drop function public.storage_room(text, text);
drop function public.storage_usage();
drop function private.storage_growth(date);
drop function private.storage_report();
drop function private.my_storage();
drop function private.take_room(text, text, bigint);
drop function private.storage_room(text, text);
drop function private.note_kept(text[], text[], bigint[]);
drop function private.tg_settings__charge();
drop function private.tg_storage_objects__count();
drop function private.tg_projects__discharge();
drop function private.tg_projects__charge();
drop function private.add_usage(private.storage_usage[]);
drop function private.charge(uuid, bigint, bigint, bigint, bigint);
drop function private.notes_kept();
drop function private.payer(uuid, text);
drop function private.folder_of(text);
drop function private.quota_of(uuid);
drop function private.default_quota();
drop table private.storage_quotas;
drop table private.storage_usage;

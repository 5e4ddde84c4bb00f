-- 0001 scan_folders: takes the column away again.
-- Lock: access exclusive on private.object_scans for an instant. Duration: instant.
-- Down: loses the column folder, which comes back as it was, made from the name.

alter table private.object_scans force row level security;
drop trigger _100_folder on private.object_scans;
drop function private.tg_object_scans__folder();
-- squawk-ignore ban-drop-column -- what a rollback is for
alter table private.object_scans drop column folder;

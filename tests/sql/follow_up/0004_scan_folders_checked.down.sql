-- 0004 scan_folders_checked: files without a folder are let in again.
-- Lock: access exclusive on private.object_scans for an instant. Duration: instant.
-- Down: loses no data.

alter table private.object_scans drop constraint object_scans_folder_check;
alter table private.object_scans no force row level security;

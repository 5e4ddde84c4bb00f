-- 0004 scan_folders_checked: no file without a folder from now on.
-- Lock: access exclusive on private.object_scans for an instant: no row is read. Duration: instant.
-- Down: loses no data.

alter table private.object_scans force row level security;

alter table private.object_scans add constraint object_scans_folder_check check (folder is not null) not valid;

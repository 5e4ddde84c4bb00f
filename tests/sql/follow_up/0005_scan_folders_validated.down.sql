-- 0005 scan_folders_validated: the constraint is as before it was validated.
-- Lock: access exclusive on private.object_scans for an instant: no row is read. Duration: instant.
-- Down: loses no data.

alter table private.object_scans drop constraint object_scans_folder_check;
alter table private.object_scans add constraint object_scans_folder_check check (folder is not null) not valid;

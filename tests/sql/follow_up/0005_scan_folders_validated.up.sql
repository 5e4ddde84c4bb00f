-- 0005 scan_folders_validated: nor among those that were there before.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: a read of the table.
-- Down: loses no data.
-- Run: outside a transaction.

alter table private.object_scans validate constraint object_scans_folder_check;

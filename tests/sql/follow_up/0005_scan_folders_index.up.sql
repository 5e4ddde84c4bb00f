-- 0005 scan_folders_index: what was found harmful in a folder is read by its key.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: a second for a million rows.
-- Down: loses no data.
-- Run: outside a transaction.

-- squawk-ignore ban-concurrent-index-creation-in-transaction
create index concurrently object_scans_folder_idx
on private.object_scans (folder) where status in ('infected', 'refused');

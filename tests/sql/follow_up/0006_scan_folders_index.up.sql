-- 0006 scan_folders_index: what was found harmful in a folder is read by its key; the index of what was left goes.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: some reads of the table.
-- Down: loses no data.
-- Run: outside a transaction.

-- squawk-ignore ban-concurrent-index-creation-in-transaction -- the header runs it outside of one
create index concurrently object_scans_folder_idx
on private.object_scans (folder) where status in ('infected', 'refused');
-- squawk-ignore ban-concurrent-index-creation-in-transaction -- the header runs it outside of one
drop index concurrently private.object_scans_folder_left_idx;

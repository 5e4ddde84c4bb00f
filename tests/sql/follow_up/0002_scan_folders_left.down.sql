-- 0002 scan_folders_left: takes the index away again.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: instant.
-- Down: loses no data.
-- Run: outside a transaction.

-- squawk-ignore ban-concurrent-index-creation-in-transaction -- the header runs it outside of one
drop index concurrently private.object_scans_folder_left_idx;

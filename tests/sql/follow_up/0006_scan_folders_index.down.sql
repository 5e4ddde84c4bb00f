-- 0006 scan_folders_index: takes the index away again, and has the one of what was left back.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: a read of the table.
-- Down: loses no data.
-- Run: outside a transaction.

-- squawk-ignore ban-concurrent-index-creation-in-transaction -- the header runs it outside of one
drop index concurrently private.object_scans_folder_idx;
-- squawk-ignore ban-concurrent-index-creation-in-transaction -- the header runs it outside of one
create index concurrently object_scans_folder_left_idx
on private.object_scans (bucket_id, name, version) where folder is null;

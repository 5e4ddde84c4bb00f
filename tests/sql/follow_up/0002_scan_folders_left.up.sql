-- 0002 scan_folders_left: an index of the rows that the next migration has still to fill.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: some reads of the table.
-- Down: loses no data.
-- Run: outside a transaction.

-- Without it each batch would pass over all rows that are filled already: the last one of ten million reads them all.
-- squawk-ignore ban-concurrent-index-creation-in-transaction -- the header runs it outside of one
create index concurrently object_scans_folder_left_idx
on private.object_scans (bucket_id, name, version) where folder is null;

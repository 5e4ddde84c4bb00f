-- 0029 object_scans_harmful: what was found harmful in a person's folder is told without reading the rest.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: a second for a million rows.
-- Down: loses no data.
-- Run: outside a transaction.

-- A handful of rows out of all there are; in byte order, as the names of storage.objects are asked for.
-- squawk-ignore ban-concurrent-index-creation-in-transaction
create index concurrently object_scans_name_idx
on private.object_scans (name collate "C") where status in ('infected', 'refused');

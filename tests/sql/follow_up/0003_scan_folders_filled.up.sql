-- 0003 scan_folders_filled: the same for files that were there before, a thousand at a time.
-- Lock: a row lock on each batch. Duration: docs/performance.md has what a batch takes.
-- Down: loses no data.
-- Run: in batches of 1000, pause 50ms.

update private.object_scans set folder = private.folder_of(name)
where (bucket_id, name, version) in (
    select
        s.bucket_id,
        s.name,
        s.version
    from private.object_scans as s
    where s.folder is null
    order by s.bucket_id, s.name, s.version
    limit 1000
    for update skip locked
);

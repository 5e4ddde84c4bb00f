-- take_scans: the virus scanner's next files, longest waiting first.
-- Role: scanner. Since: 0025.
-- Parameters: none.
-- Index: object_scans_due_at_idx.
-- Plan: index scan in order, as far as there are free rows; then each by its key.

select bucket_id, name, version, mime_type, attempt from ops.take_scans(10);

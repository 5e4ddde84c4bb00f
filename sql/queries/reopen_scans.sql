-- reopen_scans: tries again what the scanner had given up.
-- Role: scanner. Since: 0025.
-- Parameters: none.
-- Index: object_scans_failed_idx.
-- Plan: what was given up, in an index of its own, and no other row.

select ops.reopen_scans();

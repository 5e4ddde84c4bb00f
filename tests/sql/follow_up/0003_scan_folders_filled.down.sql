-- 0003 scan_folders_filled: nothing to take back, the column goes with the migration before.
-- Lock: none. Duration: instant.
-- Down: loses nothing.

select 1;

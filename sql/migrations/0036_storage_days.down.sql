-- 0036 storage_days: what is stored is not noted day by day.
-- Lock: access exclusive on analytics.storage_days. Duration: instant.
-- Down: loses the figures of the days that were noted.

drop function ops.note_storage();
drop function private.note_storage();
drop table analytics.storage_days;

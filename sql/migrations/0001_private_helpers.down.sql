-- 0001 private_helpers: takes the helpers away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

-- Fails while a table still uses one of them.

drop function private.tg__updated_at();
drop function private.uuid_v7();

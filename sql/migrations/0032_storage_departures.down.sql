-- 0032 storage_departures: people are deleted without their files again.
-- Lock: access exclusive on public.users for its trigger. Duration: instant.
-- Down: loses no data.

-- The files of people deleted later stay in the object store.

drop trigger _200_queue_files on public.users;
drop function private.tg_users__queue_files();

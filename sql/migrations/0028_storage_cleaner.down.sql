-- 0028 storage_cleaner: files outlive people and projects again; the cleaner's login can clean nothing.
-- Lock: access exclusive on public.users and public.projects for their triggers. Duration: instant.
-- Down: loses no data.

-- The files of people and projects deleted later stay in the object store.

drop function ops.forget_empty_usage();
drop function ops.finish_deletions(uuid[]);
drop function ops.take_deletions(integer);
drop function ops.count_abandoned(interval);
drop function ops.abandoned_files(interval, integer);
drop function ops.waiting_deletions();
drop function ops.forget_quarantined(text, text, text);
drop function ops.quarantine();
drop function ops.recorded_objects(text[], text[]);
drop function private.forget_empty_usage();
drop function private.count_abandoned(interval);
drop function private.abandoned_files(interval, integer);
drop function private.waiting_deletions();
drop function private.forget_quarantined(text, text, text);
drop function private.quarantine();
drop function private.recorded_objects(text[], text[]);
drop trigger _200_queue_files on public.projects;
drop function private.tg_projects__queue_files();
drop trigger _200_queue_files on public.users;
drop function private.tg_users__queue_files();

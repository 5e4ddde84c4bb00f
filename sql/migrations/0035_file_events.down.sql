-- 0035 file_events: nothing is noted of stored files any more.
-- Lock: access exclusive on private.object_scans for its triggers. Duration: instant.
-- Down: loses events that nobody has fetched yet.

drop function ops.forget_file_events();
drop function public.finish_file_events(uuid[]);
drop function public.take_file_events(integer);
drop function private.forget_file_events();
drop function private.finish_file_events(uuid[]);
drop function private.take_file_events(integer);
drop trigger _310_note_settled on private.object_scans;
drop trigger _300_note_stored on private.object_scans;
drop function private.tg_object_scans__note_event();
drop table private.file_events;

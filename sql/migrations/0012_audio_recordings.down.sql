-- 0012 audio_recordings: takes recordings away again.
-- Lock: access exclusive on the table, and on public.projects and public.users for foreign keys. Duration: instant.
-- Down: loses every transcript and the record of every file; no file is queued for deletion, they stay behind.

drop table public.audio_recordings;
drop function private.tg_audio_recordings__queue_deletion();

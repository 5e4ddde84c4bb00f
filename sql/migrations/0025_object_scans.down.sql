-- 0025 object_scans: takes the verdicts and the scanner's queue away again.
-- Lock: access exclusive on storage.objects and public.audio_recordings for their triggers. Duration: instant.
-- Down: loses every verdict, and what was found harmful; should it come back, every file is scanned again.

reset role;
drop trigger _300_queue_scan on storage.objects;
drop trigger _310_queue_rescan on storage.objects;
set local role app_owner;

drop trigger _050_take_file on public.audio_recordings;
drop function ops.note_restored(text, text, text, text, text, text);
drop function ops.release_file(text, text, text, text, text, boolean);
drop function ops.reopen_scans();
drop function ops.settle_scan(text, text, text, bigint, text, text, text);
drop function ops.retry_scan(text, text, text, bigint, interval);
drop function ops.take_scans(integer);
drop function private.is_clean(text, text, text);
drop function private.settle_scan(text, text, text, bigint, text, text, text);
drop function private.reopen_scans();
drop function private.release_file(text, text, text, text, text, boolean);
drop function private.note_restored(text, text, text, text, text, text);
drop function private.as_uuid(text);
drop function private.retry_scan(text, text, text, bigint, interval);
drop function private.take_scans(integer);
drop function private.tg_audio_recordings__take_file();
drop function private.object_bytes(jsonb);
drop function private.tg_storage_objects__queue_scan();
drop table private.object_scans;
drop function private.tg_object_scans__record();

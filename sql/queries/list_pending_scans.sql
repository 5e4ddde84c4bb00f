-- list_pending_scans: the virus scanner's next recordings, oldest first.
-- Role: service_role. Since: 0012.
-- Parameters: none.
-- Index: audio_recordings_created_at_id_idx.
-- Plan: the partial index holds nothing but these.

select id, bucket_id, object_path
from public.audio_recordings
where scan_status = 'pending'
order by created_at, id
limit 50;

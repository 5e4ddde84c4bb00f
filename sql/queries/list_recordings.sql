-- list_recordings: a project's recordings, newest first, a page by key.
-- Role: authenticated. Since: 0012.
-- Parameters: $1 project uuid, $2 before_time timestamptz, $3 before_id uuid.
-- Index: audio_recordings_project_id_created_at_id_idx.
-- Plan: index scan of the project; the policy's list of projects is a condition of the same index.

select id, title, mime_type, bytes, duration_ms, scan_status, created_at
from public.audio_recordings
where project_id = $1 and (created_at, id) < ($2, $3)
order by created_at desc, id desc
limit 20;

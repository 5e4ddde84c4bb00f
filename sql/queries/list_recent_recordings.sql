-- list_recent_recordings: the newest recordings in all of the person's projects.
-- Role: authenticated. Since: 0012.
-- Parameters: none.
-- Index: audio_recordings_project_id_created_at_id_idx.
-- Plan: the row policy's lists of projects are conditions of the index; sorts what one person sees.

select id, project_id, title, duration_ms, created_at
from public.audio_recordings
order by created_at desc, id desc
limit 20;

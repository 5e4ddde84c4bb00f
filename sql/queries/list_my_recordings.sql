-- list_my_recordings: what the person has recorded anywhere, newest first, a page by key.
-- Role: authenticated. Since: 0012.
-- Parameters: $1 before_time timestamptz, $2 before_id uuid.
-- Index: audio_recordings_created_by_created_at_id_idx.
-- Plan: index scan in the page's order; the row policy only filters.

select id, project_id, title, duration_ms, created_at
from public.audio_recordings
where created_by = (select auth.uid()) and (created_at, id) < ($1, $2)
order by created_at desc, id desc
limit 20;

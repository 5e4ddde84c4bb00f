-- find_words_in_transcripts: for support: recordings of anybody, by words.
-- Role: service_role. Since: 0012.
-- Parameters: $1 rare_words text.
-- Index: audio_recordings_search_idx.
-- Plan: bitmap scan by words.

select id, project_id, title
from public.audio_recordings
where search @@ websearch_to_tsquery('pg_catalog.simple'::regconfig, $1)
limit 20;

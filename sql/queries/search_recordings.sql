-- search_recordings: recordings of the person's projects, by words, best match first.
-- Role: authenticated. Since: 0016.
-- Parameters: $1 words text.
-- Index: audio_recordings_project_id_created_at_id_idx.
-- Plan: bitmap scan of the person's projects, filtered by words.

select id, project_id, title, rank from public.search_recordings($1);

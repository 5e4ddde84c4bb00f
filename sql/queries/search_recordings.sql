-- search_recordings: recordings of the person's projects, by words, best match first.
-- Role: authenticated. Since: 0016. Reader.
-- Parameters: $1 rare_transcript text.
-- Index: recording_words_pkey, audio_recordings_project_id_created_at_id_idx.
-- Plan: what is in the person's projects, then its words by key; by the index of words for who has thousands.

select id, project_id, title, excerpt, rank from public.search_recordings($1);

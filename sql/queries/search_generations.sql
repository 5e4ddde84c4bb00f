-- search_generations: generations of the person's projects, by words, best match first.
-- Role: authenticated. Since: 0016. Reader.
-- Parameters: $1 rare_prompt text.
-- Index: generation_words_pkey, prompt_generations_project_id_created_at_id_idx.
-- Plan: what is in the person's projects, then its words by key; by the index of words for who has thousands.

select id, project_id, excerpt, rank from public.search_generations($1);

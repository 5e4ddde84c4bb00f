-- search_generations: generations of the person's projects, by words, best match first.
-- Role: authenticated. Since: 0016.
-- Parameters: $1 words text.
-- Index: prompt_generations_project_id_created_at_id_idx.
-- Plan: bitmap scan of the person's projects, filtered by words.

select id, project_id, prompt, rank from public.search_generations($1);

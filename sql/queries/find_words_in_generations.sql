-- find_words_in_generations: for support: generations of anybody, by words.
-- Role: service_role. Since: 0014.
-- Parameters: $1 rare_words text.
-- Index: prompt_generations_search_idx.
-- Plan: bitmap scan by words.

select id, project_id, provider, model
from public.prompt_generations
where search @@ websearch_to_tsquery('pg_catalog.simple'::regconfig, $1)
limit 20;

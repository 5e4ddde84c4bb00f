-- list_my_generations: what the person has generated anywhere, newest first, a page by key.
-- Role: authenticated. Since: 0014.
-- Parameters: $1 before_time timestamptz, $2 before_id uuid.
-- Index: prompt_generations_created_by_created_at_id_idx.
-- Plan: index scan in the page's order; the row policy only filters.

select id, project_id, provider, model, status, cost, created_at
from public.prompt_generations
where created_by = (select auth.uid()) and (created_at, id) < ($1, $2)
order by created_at desc, id desc
limit 20;

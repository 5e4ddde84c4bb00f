-- list_recent_generations: the newest generations in all of the person's projects.
-- Role: authenticated. Since: 0014.
-- Parameters: none.
-- Index: prompt_generations_project_id_created_at_id_idx.
-- Plan: the row policy's lists of projects are conditions of the index; sorts what one person sees.

select id, project_id, provider, model, status, cost, created_at
from public.prompt_generations
order by created_at desc, id desc
limit 20;

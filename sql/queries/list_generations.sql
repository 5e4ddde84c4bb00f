-- list_generations: a project's generations, newest first, a page by key.
-- Role: authenticated. Since: 0014.
-- Parameters: $1 project uuid, $2 before_time timestamptz, $3 before_id uuid.
-- Index: prompt_generations_project_id_created_at_id_idx.
-- Plan: index scan of the project; the policy's list of projects is a condition of the same index.

select id, created_by, provider, model, status, tokens_in, tokens_out, cost, latency_ms, created_at
from public.prompt_generations
where project_id = $1 and (created_at, id) < ($2, $3)
order by created_at desc, id desc
limit 20;

-- list_waiting_generations: generations that wait or hang, oldest first.
-- Role: service_role. Since: 0014.
-- Parameters: none.
-- Index: prompt_generations_created_at_id_idx.
-- Plan: the partial index holds nothing but these.

select id, project_id, status, created_at
from public.prompt_generations
where status in ('pending', 'running')
order by created_at, id
limit 50;

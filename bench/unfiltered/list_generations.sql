select id, created_by, provider, model, status, tokens_in, tokens_out, cost, latency_ms, created_at
from public.prompt_generations
where project_id = %(project)s and (created_at, id) < (%(before_time)s, %(before_id)s)
and (
    exists (select from public.projects as p where p.id = %(project)s and p.owner_id = %(person)s)
    or exists (
        select from public.collaborators as c
        where c.project_id = %(project)s and c.user_id = %(person)s and c.accepted_at is not null
    )
)
order by created_at desc, id desc
limit 20

select id, project_id, provider, model, status, cost, created_at
from public.prompt_generations as g
where g.created_by = %(person)s and (g.created_at, g.id) < (%(before_time)s, %(before_id)s)
and (
    exists (select from public.projects as p where p.id = g.project_id and p.owner_id = %(person)s)
    or exists (
        select from public.collaborators as c
        where c.project_id = g.project_id and c.user_id = %(person)s and c.accepted_at is not null
    )
)
order by g.created_at desc, g.id desc
limit 20

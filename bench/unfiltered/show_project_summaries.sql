select t.project_id, t.components, t.recordings, t.generations, t.cost
from analytics.project_totals as t
where t.project_id = any(%(projects)s) and (
    exists (select from public.projects as p where p.id = t.project_id and p.owner_id = %(person)s)
    or exists (
        select from public.collaborators as c
        where c.project_id = t.project_id and c.user_id = %(person)s and c.accepted_at is not null
    )
)

select id, user_id, email, role, invited_by, invited_at, accepted_at
from public.collaborators as k
where k.project_id = %(project)s and (
    k.user_id = %(person)s
    or exists (select from public.projects as p where p.id = %(project)s and p.owner_id = %(person)s)
    or exists (
        select from public.collaborators as c
        where c.project_id = %(project)s and c.user_id = %(person)s and c.accepted_at is not null and c.role = 'admin'
    )
)

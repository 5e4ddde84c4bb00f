select id, owner_id, title, description, visibility, settings, archived_at, updated_at
from public.projects as p
where p.id = %(project)s and (
    p.owner_id = %(person)s
    or p.visibility = 'public' and p.archived_at is null
    or exists (
        select from public.collaborators as c
        where c.project_id = p.id and c.user_id = %(person)s and c.accepted_at is not null
    )
)

select id, parent_id, recording_id, kind, title, x, y, width, height, position, properties, revision
from public.project_components
where project_id = %(project)s and (
    exists (
        select from public.projects as p
        where p.id = %(project)s and (p.owner_id = %(person)s or p.visibility = 'public' and p.archived_at is null)
    )
    or exists (
        select from public.collaborators as c
        where c.project_id = %(project)s and c.user_id = %(person)s and c.accepted_at is not null
    )
)
order by position

select id, parent_id, kind, title, x, y, width, height, properties
from public.project_components
where project_id = %(public_project)s and exists (
    select from public.projects as p
    where p.id = %(public_project)s and p.visibility = 'public' and p.archived_at is null
)
order by position

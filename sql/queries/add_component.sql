-- add_component: puts a component behind all others.
-- Role: authenticated. Since: 0013.
-- Parameters: $1 project uuid.
-- Index: project_components_project_id_position_id_idx.
-- Plan: the last place is the index's last entry; the check asks for one project and not for a list.

insert into public.project_components (project_id, kind, position)
select $1, 'text', coalesce(max(c.position), 0) + 1024
from public.project_components as c
where c.project_id = $1
returning id;

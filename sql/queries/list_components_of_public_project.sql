-- list_components_of_public_project: a public project's components in order, for a visitor.
-- Role: anon. Since: 0013. Reader. Cache: app.
-- Parameters: $1 public_project uuid.
-- Index: project_components_project_id_position_key, projects_pkey.
-- Plan: index scan in order, no sort; the project's own policy for each row, by its key.

select id, parent_id, kind, title, x, y, width, height, properties
from public.project_components
where project_id = $1
order by position;

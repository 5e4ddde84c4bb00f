-- list_components: a project's components in order.
-- Role: authenticated. Since: 0013.
-- Parameters: $1 project uuid.
-- Index: project_components_project_id_position_key.
-- Plan: index scan of the project; the policy's list of projects once, or its question for each row, by key.

select id, parent_id, recording_id, kind, title, x, y, width, height, position, properties, revision
from public.project_components
where project_id = $1
order by position;

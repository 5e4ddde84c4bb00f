-- reorder_components: puts all components of a project into the order of a list, all or none.
-- Role: authenticated. Since: 0015.
-- Parameters: $1 project uuid, $2 components uuid[].
-- Index: project_components_project_id_position_key.
-- Plan: the project's components by one index range.

select public.reorder_components($1, $2);

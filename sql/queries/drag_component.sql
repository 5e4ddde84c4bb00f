-- drag_component: moves a component on the canvas: one row, nothing else.
-- Role: authenticated. Since: 0013.
-- Parameters: $1 component uuid, $2 x double precision, $3 y double precision.
-- Index: project_components_pkey.
-- Plan: index scan of one row.

update public.project_components
set x = $2, y = $3
where id = $1;

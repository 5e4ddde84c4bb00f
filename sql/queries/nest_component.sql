-- nest_component: puts a component with all that lies in it into a group, or out of all.
-- Role: authenticated. Since: 0015.
-- Parameters: $1 component uuid, $2 parent uuid.
-- Index: project_components_pkey, projects_pkey.
-- Plan: one row is written, by its key, once its project is locked by its own.

select public.nest_component($1, $2);

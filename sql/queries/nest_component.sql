-- nest_component: takes a component out of its group, with all that lies in it; or puts it into one.
-- Role: authenticated. Since: 0015.
-- Parameters: $1 component uuid.
-- Index: project_components_pkey, projects_pkey.
-- Plan: one row is written, by its key, once its project is locked by its own.

select public.nest_component($1);

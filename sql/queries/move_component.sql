-- move_component: puts a component behind another one, or to the front of the prompt: one row, however long the list.
-- Role: authenticated. Since: 0015.
-- Parameters: $1 component uuid, $2 after uuid.
-- Index: project_components_pkey, projects_pkey, project_components_project_id_position_key.
-- Plan: its project is locked by its key; its neighbours come from the ends of an index range; one row is written.

select public.move_component($1, $2);

-- delete_component: deletes a component with all that lies in it.
-- Role: authenticated. Since: 0013.
-- Parameters: $1 component uuid.
-- Index: project_components_pkey, projects_pkey, project_components_parent_id_project_id_idx.
-- Plan: index scan of one row, whose project the policy locks by its key; what lies in it by the foreign key's index.

delete from public.project_components where id = $1;

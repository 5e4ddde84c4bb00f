-- duplicate_project: copies a project that one can see, with its tree of components, into one of one's own.
-- Role: authenticated. Since: 0015.
-- Parameters: $1 public_project uuid.
-- Index: projects_pkey, project_components_project_id_position_key.
-- Plan: the original by its key, its components by the index range of the project.

select public.duplicate_project($1);

-- add_component: puts a component behind all others.
-- Role: authenticated. Since: 0013.
-- Parameters: $1 project uuid.
-- Index: projects_pkey, project_components_project_id_position_key.
-- Plan: the project is locked by its key; the last place is the index's last entry, and the limit counts one project.

insert into public.project_components (project_id, kind)
values ($1, 'text')
returning id, position, revision;

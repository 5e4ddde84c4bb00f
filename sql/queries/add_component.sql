-- add_component: puts a component behind all others.
-- Role: authenticated. Since: 0013.
-- Parameters: $1 project uuid, $2 kind text, $3 x double precision, $4 y double precision, $5 properties jsonb.
-- Index: projects_pkey, project_components_project_id_position_key.
-- Plan: the project is locked by its key; the last place is the index's last entry, and the limit counts one project.

insert into public.project_components (project_id, kind, x, y, properties)
values ($1, $2, $3, $4, $5)
returning id, position, revision;

-- save_component: writes what is in a component, unless somebody has written it since it was read (409 Conflict).
-- Role: authenticated. Since: 0013.
-- Parameters: $1 component uuid, $2 properties jsonb, $3 revision bigint.
-- Index: project_components_pkey.
-- Plan: index scan of one row; its project is neither locked nor waited for.

update public.project_components
set properties = $2, revision = $3
where id = $1
returning revision;

-- create_project: makes a project of one's own with its first components.
-- Role: authenticated. Since: 0015.
-- Parameters: $1 title text, $2 description text, $3 visibility text, $4 list jsonb.
-- Index: projects_pkey.
-- Plan: rows are written; the policy on the components finds the project by its key.

select public.create_project($1, description => $2, visibility => $3, components => $4);

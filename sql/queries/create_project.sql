-- create_project: makes a project of one's own with its first components.
-- Role: authenticated. Since: 0015.
-- Parameters: $1 name text.
-- Index: projects_pkey.
-- Plan: rows are written; the policy on the components finds the project by its key.

select public.create_project($1, components => '[{"kind": "text"}, {"kind": "text"}]');

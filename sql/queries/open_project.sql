-- open_project: one project by its key.
-- Role: authenticated. Since: 0007.
-- Parameters: $1 project uuid.
-- Index: projects_pkey.
-- Plan: index scan of one row; the memberships are read only if it is neither own nor public.

select id, owner_id, title, description, visibility, settings, archived_at, updated_at
from public.projects
where id = $1;

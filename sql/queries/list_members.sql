-- list_members: names of owner and collaborators of a project.
-- Role: authenticated. Since: 0010.
-- Parameters: $1 project uuid.
-- Index: collaborators_project_id_id_idx, users_pkey.
-- Plan: one project, then each profile by its key.

select user_id, display_name, role from public.project_members($1);

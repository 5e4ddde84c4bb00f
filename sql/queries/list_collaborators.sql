-- list_collaborators: who is invited to a project, for those who may invite.
-- Role: authenticated. Since: 0008.
-- Parameters: $1 project uuid.
-- Index: collaborators_project_id_id_idx.
-- Plan: index scan of one project.

select id, user_id, email, role, invited_by, invited_at, accepted_at
from public.collaborators
where project_id = $1;

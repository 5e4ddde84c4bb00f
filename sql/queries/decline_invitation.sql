-- decline_invitation: deletes an invitation of one's own.
-- Role: authenticated. Since: 0010.
-- Parameters: $1 invitation uuid.
-- Index: collaborators_pkey, projects_pkey, collaborators_project_id_user_id_key, collaborators_email_project_id_idx.
-- Plan: as accept_invitation.

select public.decline_invitation($1);

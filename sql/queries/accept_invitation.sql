-- accept_invitation: makes an invitation of one's own a membership.
-- Role: authenticated. Since: 0010.
-- Parameters: $1 invitation uuid.
-- Index: collaborators_pkey, projects_pkey, collaborators_project_id_user_id_key, collaborators_email_project_id_idx.
-- Plan: the invitation by its key, the project that is held, the person's other rows in it.

select public.accept_invitation($1);

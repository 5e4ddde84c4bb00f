-- list_my_invitations: open invitations, by person or by proved address, one for each project.
-- Role: authenticated. Since: 0010.
-- Parameters: none.
-- Index: collaborators_user_id_part_project_id_idx, collaborators_email_project_id_idx.
-- Plan: both indexes, joined as bitmaps.

select id, title, role, invited_by, expires_at from public.my_invitations();

-- accept_invitation: makes an invitation of one's own a membership.
-- Role: authenticated. Since: 0010.
-- Parameters: $1 invitation uuid.
-- Index: collaborators_pkey.
-- Plan: the invitation by its key.

select public.accept_invitation($1);

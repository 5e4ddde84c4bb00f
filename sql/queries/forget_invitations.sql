-- forget_invitations: housekeeping: invitations whose time is over, and counts of days that are.
-- Role: app_owner. Since: 0010.
-- Parameters: none.
-- Index: collaborators_expires_at_idx.
-- Plan: an index scan of what is over; the counts, of which a day's are kept, whole.

select ops.forget_invitations();

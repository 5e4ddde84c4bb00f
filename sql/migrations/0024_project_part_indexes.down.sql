-- 0024 project_part_indexes: back to one index of memberships without parts.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: a second for a million rows.
-- Down: loses no data.
-- Run: outside a transaction.

-- squawk-ignore ban-concurrent-index-creation-in-transaction
create index concurrently collaborators_user_id_idx
on public.collaborators (user_id) include (project_id, role, accepted_at);

-- squawk-ignore ban-concurrent-index-creation-in-transaction
drop index concurrently public.collaborators_user_id_part_admin_idx;

-- squawk-ignore ban-concurrent-index-creation-in-transaction
drop index concurrently public.collaborators_user_id_part_project_id_idx;

-- squawk-ignore ban-concurrent-index-creation-in-transaction
drop index concurrently public.projects_part_owner_id_id_idx;

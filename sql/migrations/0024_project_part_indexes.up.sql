-- 0024 project_part_indexes: a person's projects in eight parts, by the last three bits of the project's id.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: a second for a million rows.
-- Down: loses no data.
-- Run: outside a transaction.

-- Somebody with 15,000 projects must not have them all listed when one of them is opened: see step project_parts. The
-- part comes first, or lists would be read by this index where projects_owner_id_updated_at_id_idx has them in order.
-- squawk-ignore ban-concurrent-index-creation-in-transaction
create index concurrently projects_part_owner_id_id_idx
on public.projects ((uuid_hash(id) & 7), owner_id, id);

-- squawk-ignore ban-concurrent-index-creation-in-transaction
create index concurrently collaborators_user_id_part_project_id_idx
on public.collaborators (user_id, (uuid_hash(project_id) & 7), project_id) include (role, accepted_at);

-- Who may invite is asked as often, and is one in three.
-- squawk-ignore ban-concurrent-index-creation-in-transaction
create index concurrently collaborators_user_id_part_admin_idx
on public.collaborators (user_id, (uuid_hash(project_id) & 7)) include (project_id)
where role = 'admin' and accepted_at is not null;

-- Begins with the same column and covers no more.
-- squawk-ignore ban-concurrent-index-creation-in-transaction
drop index concurrently public.collaborators_user_id_idx;

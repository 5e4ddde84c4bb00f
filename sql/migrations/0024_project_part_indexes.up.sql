-- 0024 project_part_indexes: a person's projects in eight parts, by the last three bits of the project's id.
-- Lock: share update exclusive, which lets reads and writes pass. Duration: a second for a million rows.
-- Down: loses no data.
-- Run: outside a transaction.

-- Somebody with 15,000 projects must not have them all listed when one of them is opened. See step project_parts.
-- squawk-ignore ban-concurrent-index-creation-in-transaction
create index concurrently projects_owner_id_part_idx
on public.projects (owner_id, (get_byte(uuid_send(id), 15) & 7)) include (id);

-- squawk-ignore ban-concurrent-index-creation-in-transaction
create index concurrently collaborators_user_id_part_idx
on public.collaborators (user_id, (get_byte(uuid_send(project_id), 15) & 7)) include (project_id, role, accepted_at);

-- Begins with the same column and covers no more.
-- squawk-ignore ban-concurrent-index-creation-in-transaction
drop index concurrently public.collaborators_user_id_idx;

-- list_shared_projects: projects of others that the person works in, newest change first.
-- Role: authenticated. Since: 0008.
-- Parameters: none.
-- Index: collaborators_user_id_part_project_id_idx, projects_pkey.
-- Plan: index-only scan of the memberships, then each project by its key; sorts what one person shares.

select p.id, p.title, p.owner_id, c.role, p.updated_at
from public.collaborators as c
join public.projects as p on p.id = c.project_id
where c.user_id = (select auth.uid()) and c.accepted_at is not null
order by p.updated_at desc, p.id desc
limit 20;

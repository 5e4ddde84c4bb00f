-- list_own_projects: the person's own projects in use, newest change first, a page by key.
-- Role: authenticated. Since: 0007.
-- Parameters: $1 person uuid, $2 before_time timestamptz, $3 before_id uuid.
-- Index: projects_owner_id_updated_at_id_idx.
-- Plan: index scan of what is the person's; in the page's order where that is much, sorted where it is little. The app
--     names the person, since behind auth.uid() the planner can't see whose projects are many.

select id, title, description, visibility, updated_at
from public.projects
where owner_id = $1
    and archived_at is null
    and (updated_at, id) < ($2, $3)
order by updated_at desc, id desc
limit 20;

-- list_own_projects: the person's own projects in use, newest change first, a page by key.
-- Role: authenticated. Since: 0004.
-- Parameters: $1 before_time timestamptz, $2 before_id uuid.
-- Index: projects_owner_id_updated_at_id_idx.
-- Plan: index scan of what is the person's; in the page's order where that is much, sorted where it is little.

select id, title, description, visibility, updated_at
from public.projects
where owner_id = (select auth.uid())
    and archived_at is null
    and (updated_at, id) < ($1, $2)
order by updated_at desc, id desc
limit 20;

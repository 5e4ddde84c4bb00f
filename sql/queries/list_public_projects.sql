-- list_public_projects: the gallery: public projects in use, newest change first, a page by key.
-- Role: anon. Since: 0007. Reader. Cache: app.
-- Parameters: $1 before_time timestamptz, $2 before_id uuid.
-- Index: projects_updated_at_id_idx.
-- Plan: index scan in the page's order, no sort: the row policy is the index's condition.

select id, title, description, owner_id, updated_at
from public.projects
where (updated_at, id) < ($1, $2)
order by updated_at desc, id desc
limit 20;

-- show_owners: names and pictures of who has made public projects.
-- Role: anon. Since: 0010. Reader. Cache: app.
-- Parameters: $1 public_projects uuid[].
-- Index: projects_pkey, users_pkey.
-- Plan: each project and each profile by its key.

select project_id, owner_id, display_name, avatar_url from public.project_owners($1);

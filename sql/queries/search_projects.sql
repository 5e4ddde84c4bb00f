-- search_projects: projects that the person sees, by words, best match first.
-- Role: authenticated. Since: 0016.
-- Parameters: $1 words text.
-- Index: projects_search_idx.
-- Plan: bitmap scan by words inside the definer function; the index is out of reach behind a row policy.

select id, title, rank from public.search_projects($1);

-- search_projects: projects that the person sees, by words, best match first.
-- Role: authenticated. Since: 0016. Reader.
-- Parameters: $1 rare_words text.
-- Index: project_words_project_id_listed_idx, project_words_words_listed_idx, project_words_pkey, projects_pkey.
-- Plan: a rare word by the index of words, a common one from the newest project backwards, as far as 24 MB go.

select id, title, rank from public.search_projects($1);

-- 0016 search: takes the search functions away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

drop function public.search_generations(text, integer);
drop function public.search_recordings(text, integer);
drop function public.search_projects(text, integer, real, uuid);
drop function private.search_projects(text, integer, real, uuid);

-- 0007 projects: takes the projects away again.
-- Lock: access exclusive on public.projects, and on public.users for its foreign key. Duration: instant.
-- Down: loses every project.

drop table public.projects;
drop function private.tg_projects__limit();
drop function private.limit_projects(uuid);
drop function private.tg__date_projects();
drop function private.tg__date_project();
drop function private.date_projects(uuid[]);
drop function ops.date_undated();
drop function private.date_undated();
drop table private.undated_projects;

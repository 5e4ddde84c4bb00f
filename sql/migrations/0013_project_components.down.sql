-- 0013 project_components: takes components away again.
-- Lock: access exclusive on the table, and on public.projects and public.audio_recordings. Duration: instant.
-- Down: loses every component: of a project, only its title, description and recordings are left.

drop table public.project_components;
drop function private.tg_project_components__check_tree();

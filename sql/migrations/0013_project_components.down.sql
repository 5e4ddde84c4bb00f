-- 0013 project_components: takes components away again.
-- Lock: access exclusive on the table, and on public.projects and public.audio_recordings. Duration: instant.
-- Down: loses every component: of a project, only its title, description and recordings are left.

drop table public.project_components;
drop function private.tg_project_components__limit_bytes();
drop function private.tg_project_components__limit();
drop function private.tg_project_components__check_recording();
drop function private.tg_project_components__check_tree();
drop function private.tg_project_components__want_revision();
drop function private.tg_project_components__next_revision();
drop function private.tg_project_components__take_place();
drop function private.place_behind(uuid, uuid);
drop function private.order_components(uuid, uuid[]);
drop function private.place_between(text, text);
drop function private.place_at(bigint);
drop function private.lock_project(uuid);
drop function private.limit_components(uuid, integer);
drop function private.most_components();

-- 0007 collaborators: takes collaborators away again, and the functions of row policies with them.
-- Lock: access exclusive on the table, and on public.projects and public.users for triggers. Duration: instant.
-- Down: loses every invitation and membership; fails while a row policy still uses one of the functions.

drop trigger _200_stay_shared on public.projects;
drop table public.collaborators;
drop function private.tg_projects__stay_shared();
drop function private.tg_collaborators__invite();
drop function private.may_manage(uuid, text);
drop function private.may_edit(uuid);
drop function private.manageable_project_ids();
drop function private.editable_project_ids();
drop function private.my_project_ids();
drop function private.shared_project_ids();

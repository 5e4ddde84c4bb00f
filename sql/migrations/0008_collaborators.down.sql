-- 0008 collaborators: takes collaborators away again.
-- Lock: access exclusive on the table, and on public.projects and public.users for triggers. Duration: instant.
-- Down: loses every invitation and membership.

drop trigger _200_stay_shared on public.projects;
drop table public.collaborators;
drop function private.tg_projects__stay_shared();
drop function private.tg_collaborators__invite();
drop function private.tg_collaborators__prepare();
drop function private.refuse_invitations(bigint);
drop function private.tg_collaborators__count();
drop table private.invitation_counts;

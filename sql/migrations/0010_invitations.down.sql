-- 0010 invitations: takes the functions on members away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

-- Nobody can accept or decline an invitation or hand a project over any more.

drop function public.transfer_project(uuid, uuid);
drop function public.project_owners(uuid[]);
drop function public.project_members(uuid);
drop function public.my_invitations();
drop function public.decline_invitation(uuid);
drop function public.accept_invitation(uuid);
drop function ops.forget_invitations();
drop function private.forget_invitations();
drop function private.transfer_project(uuid, uuid);
drop function private.project_owners(uuid[]);
drop function private.project_members(uuid);
drop function private.my_invitations();
drop function private.decline_invitation(uuid);
drop function private.accept_invitation(uuid);
drop function private.strongest_role(text[]);
drop function private.open_invitation(uuid);

-- 0017 super_administrators: takes the flag and its functions away again.
-- Lock: access exclusive on public.users for an instant, and on the functions. Duration: instant.
-- Down: loses who was a super administrator.

drop function private.supervised_from();
drop function private.is_super_admin();
-- squawk-ignore ban-drop-column
alter table public.users drop column is_super_admin;

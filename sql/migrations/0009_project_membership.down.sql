-- 0009 project_membership: takes the functions of row policies away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

-- Fails while a row policy still uses one of them.

drop function private.many_from();
drop function private.few_projects();
drop function private.lock_members(uuid, text);
drop function private.may_manage(uuid, text);
drop function private.may_edit(uuid);
drop function private.may_see(uuid);
drop function private.may_read(uuid);
drop function private.led_projects(integer);
drop function private.my_projects(integer);
drop function private.not_of(uuid[], uuid[]);

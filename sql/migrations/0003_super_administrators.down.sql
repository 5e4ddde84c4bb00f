-- 0003 super_administrators: takes the functions away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

drop function private.supervised_from();
drop function private.is_super_admin();

-- 0001 auth: takes the claim functions away again.
-- Lock: access exclusive on the functions. Duration: instant.
-- Down: loses no data.

-- Fails while a row policy still uses one of them, so policies go first.

set local role app_owner;

drop function if exists auth.jwt();
drop function if exists auth.email();
drop function if exists auth.role();
drop function if exists auth.uid();

reset role;

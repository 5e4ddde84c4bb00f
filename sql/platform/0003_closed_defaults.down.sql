-- 0003 closed_defaults: takes back that new functions and types are closed.
-- Lock: none. Duration: instant.
-- Down: loses no data.

-- Functions made from now on can be executed by everybody.

alter default privileges in schema extensions revoke usage on types from public;
alter default privileges in schema extensions revoke execute on functions from public;
alter default privileges grant usage on types to public;
alter default privileges grant execute on functions to public;
alter default privileges for role app_owner grant usage on types to public;

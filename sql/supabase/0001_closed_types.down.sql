-- 0001 closed_types: takes back that new types are closed.
-- Lock: none. Duration: instant.
-- Down: loses no data.

-- Types made from now on can be used by everybody.

alter default privileges for role app_owner grant usage on types to public;

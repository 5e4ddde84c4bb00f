-- 0001 closed_types: only the owner may use new types, until a privilege is granted.
-- Lock: none. Duration: instant.
-- Down: PostgreSQL's own defaults again; loses no data.

-- The owner role's functions were closed by the program. The defaults of `postgres` are the platform's and its
-- dashboard's, and stay as they are.
alter default privileges for role app_owner revoke usage on types from public;

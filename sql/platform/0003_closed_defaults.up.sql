-- 0003 closed_defaults: only the owner may use new functions and types, until a privilege is granted.
-- Lock: none. Duration: instant.
-- Down: PostgreSQL's own defaults again; loses no data.

-- PostgreSQL lets everybody execute a new function and use a new type. The owner role's functions were closed before
-- the first migration, by the program. The other two are for the role that runs this: what is made manually is no more
-- open than the rest.
alter default privileges for role app_owner revoke usage on types from public;
alter default privileges revoke execute on functions from public;
alter default privileges revoke usage on types from public;

-- An extension that comes later stays everybody's: its operators call its functions with the rights of the query's
-- author.
alter default privileges in schema extensions grant execute on functions to public;
alter default privileges in schema extensions grant usage on types to public;

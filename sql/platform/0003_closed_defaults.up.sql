-- 0003 closed_defaults: new functions and types are nobody's but their owner's, until a right is granted.
-- Lock: none. Duration: instant.
-- Down: PostgreSQL's own defaults again; loses no data.

-- PostgreSQL lets everybody execute a new function and use a new type. The owner role's functions were closed before
-- the first step, by the program. The other two are for whoever runs this: what is made by hand is no more open than
-- the rest.
alter default privileges for role app_owner revoke usage on types from public;
alter default privileges revoke execute on functions from public;
alter default privileges revoke usage on types from public;

-- An extension that comes later stays everybody's: its operators call its functions as whoever writes the query.
alter default privileges in schema extensions grant execute on functions to public;
alter default privileges in schema extensions grant usage on types to public;

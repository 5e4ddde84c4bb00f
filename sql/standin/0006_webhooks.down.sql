-- 0006 webhooks: takes the function of database webhooks away.
-- Lock: none. Duration: instant.
-- Down: loses the function; fails while a trigger calls it.

drop function supabase_functions.http_request();
drop schema supabase_functions;

-- 0006 webhooks: the function that the triggers of database webhooks call.
-- Lock: none. Duration: instant.
-- Down: drops the schema with its function.

create schema if not exists supabase_functions;
grant usage on schema supabase_functions to postgres, anon, authenticated, service_role;
-- Nobody is called from here.
create function supabase_functions.http_request() returns trigger language plpgsql security definer set search_path = ''
as $$ begin return new; end $$;

-- 0001 platform: the roles, schemas and extensions that a project of Supabase begins with.
-- Lock: new tables only, none. Duration: instant.
-- Down: drops the schemas and extensions; the roles stay, other databases of the server may use them.

do $$
declare
    missing text;
begin
    if exists (select from pg_catalog.pg_roles where rolname = 'supabase_admin' and rolsuper) then
        raise exception 'this server is a project of Supabase, which has all of this itself'
            using hint = 'set the stack''s database:target to supabase';
    end if;
    -- A server has its roles once for all databases. Nobody signs in as one of these.
    foreach missing in array array[
        'anon', 'authenticated', 'authenticator', 'dashboard_user', 'pgbouncer', 'postgres', 'service_role',
        'supabase_admin', 'supabase_auth_admin', 'supabase_etl_admin', 'supabase_privileged_role',
        'supabase_read_only_user', 'supabase_realtime_admin', 'supabase_replication_admin', 'supabase_storage_admin'
    ]
    loop
        if not exists (select from pg_catalog.pg_roles where rolname = missing) then
            execute format('create role %I nologin', missing);
            if missing = 'service_role' then
                alter role service_role bypassrls;
            elsif missing = 'authenticator' then
                -- It takes on the role of the caller, and has none of its privileges before.
                alter role authenticator noinherit;
            end if;
        end if;
    end loop;
    grant anon, authenticated, service_role to authenticator;
end
$$;

create schema if not exists auth authorization supabase_auth_admin;
create schema if not exists storage authorization supabase_storage_admin;
create schema if not exists realtime authorization supabase_realtime_admin;
create schema if not exists extensions;
grant usage on schema auth, storage, realtime, extensions to postgres, anon, authenticated, service_role;

create extension if not exists pgcrypto schema extensions;
create extension if not exists pg_stat_statements schema extensions;
do $$
begin
    if exists (select from pg_catalog.pg_available_extensions where name = 'uuid-ossp') then
        create extension if not exists "uuid-ossp" schema extensions;
    else
        -- What defaults of columns call. Its other functions make what depends on the machine or on a name.
        create function extensions.uuid_generate_v4() returns uuid language sql volatile parallel safe
        set search_path = '' as 'select gen_random_uuid()';
    end if;
end
$$;

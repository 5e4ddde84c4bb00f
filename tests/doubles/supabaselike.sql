-- A database as the platform Supabase hands it over: its roles' privileges, schemas, tables, functions, default
-- privileges, event triggers and publications. Run by the superuser supabase_admin. `supabaselike.py` makes the roles
-- before it, and puts in what sql/platform has in the platform's own shape: claims, buckets, objects.

alter database postgres owner to postgres;
grant all on database postgres to dashboard_user;
grant set on parameter session_replication_role, track_io_timing, log_min_duration_statement to postgres;

create schema auth;
create schema storage;
create schema realtime;
create schema graphql;
create schema graphql_public;
create schema vault;
create schema pgbouncer authorization pgbouncer;
create schema extensions authorization postgres;

grant usage on schema public to postgres, anon, authenticated, service_role;
grant usage on schema extensions to anon, authenticated, service_role;
grant all on schema extensions to dashboard_user;
grant usage on schema auth to postgres, anon, authenticated, service_role;
grant all on schema auth to supabase_auth_admin, dashboard_user;
grant usage on schema storage to postgres with grant option;
grant usage on schema storage to anon, authenticated, service_role;
grant all on schema storage to supabase_storage_admin, dashboard_user;
grant usage on schema realtime to postgres with grant option;
grant usage on schema realtime to anon, authenticated, service_role;
grant all on schema realtime to supabase_realtime_admin;
grant usage on schema graphql, graphql_public, vault to postgres with grant option;
grant usage on schema graphql_public to anon, authenticated, service_role;
grant usage on schema vault to service_role;

-- Since 2026 what `postgres` makes in public isn't granted to the API's roles, but for these.
alter default privileges for role postgres in schema public
    grant truncate, references, trigger on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on tables to postgres;
alter default privileges for role postgres in schema public grant all on functions to postgres;
alter default privileges for role postgres in schema public grant all on sequences to postgres;
alter default privileges for role supabase_admin in schema public
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
    grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
    grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema storage
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema storage
    grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_auth_admin in schema auth grant all on tables to postgres, dashboard_user;
alter default privileges for role supabase_auth_admin in schema auth
    grant all on functions to postgres, dashboard_user;
alter default privileges for role supabase_admin in schema realtime grant all on tables to postgres, dashboard_user;
alter default privileges for role supabase_admin in schema extensions
    grant all on functions to postgres with grant option;
alter default privileges for role supabase_admin in schema graphql_public
    grant all on functions to postgres, anon, authenticated, service_role;

set role postgres;
create extension pgcrypto schema extensions;
create extension pg_stat_statements schema extensions;
reset role;

-- @auth
-- @claims

-- @storage
set role supabase_storage_admin;
grant all on table storage.buckets, storage.objects to anon, authenticated, service_role;
grant all on table storage.buckets, storage.objects to postgres with grant option;
grant all on table storage.buckets_analytics to anon, authenticated, service_role;
grant all on table storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts to service_role;
grant select on table storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts to anon, authenticated;
grant execute on all functions in schema storage to public;
reset role;

-- @realtime
set role supabase_realtime_admin;
grant select, insert, update on table realtime.messages to postgres, anon, authenticated, service_role;
reset role;
create table realtime.subscription (
    id bigint generated always as identity primary key, subscription_id uuid not null, entity regclass not null,
    claims jsonb not null, created_at timestamp not null default timezone('utc', now())
);
create table realtime.schema_migrations (version bigint primary key, inserted_at timestamp);
grant all on table realtime.subscription, realtime.schema_migrations to postgres, dashboard_user;

create table vault.secrets (
    id uuid primary key default gen_random_uuid(), name text, description text not null default '',
    secret text not null, created_at timestamptz not null default now(), updated_at timestamptz not null default now()
);
create view vault.decrypted_secrets as select s.*, s.secret as decrypted_secret from vault.secrets as s;
grant select, delete on table vault.secrets, vault.decrypted_secrets to postgres with grant option;
grant select, delete on table vault.secrets, vault.decrypted_secrets to service_role;

create function graphql_public.graphql(query text default null) returns jsonb language sql
as $$ select '{"errors": [{"message": "pg_graphql extension is not enabled."}]}'::jsonb $$;
create function pgbouncer.get_auth(p_usename text) returns table (username text, password text)
language sql security definer set search_path = ''
as $$ select a.rolname::text, a.rolpassword from pg_catalog.pg_authid as a where a.rolname = p_usename $$;
revoke execute on function pgbouncer.get_auth(text) from public;
grant execute on function pgbouncer.get_auth(text) to pgbouncer;

create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
create publication supabase_realtime_messages_publication for table realtime.messages;

create function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql
as $$ begin notify pgrst, 'reload schema'; end $$;
create function extensions.pgrst_drop_watch() returns event_trigger language plpgsql
as $$ begin notify pgrst, 'reload schema'; end $$;
create function extensions.grant_pg_net_access() returns event_trigger language plpgsql as $$ begin end $$;
create function extensions.grant_pg_cron_access() returns event_trigger language plpgsql as $$ begin end $$;
create function extensions.grant_pg_graphql_access() returns event_trigger language plpgsql as $$ begin end $$;
create function extensions.set_graphql_placeholder() returns event_trigger language plpgsql as $$ begin end $$;
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();
create event trigger issue_pg_net_access on ddl_command_end when tag in ('CREATE EXTENSION')
    execute function extensions.grant_pg_net_access();
create event trigger issue_pg_cron_access on ddl_command_end when tag in ('CREATE EXTENSION')
    execute function extensions.grant_pg_cron_access();
create event trigger issue_pg_graphql_access on ddl_command_end when tag in ('CREATE FUNCTION')
    execute function extensions.grant_pg_graphql_access();
create event trigger issue_graphql_placeholder on sql_drop when tag in ('DROP EXTENSION')
    execute function extensions.set_graphql_placeholder();

-- In the place of the platform's guard extension: for the time of one statement `postgres` acts as the owners of the
-- tables on which it may make row policies and drop triggers, and nothing else may be done as them.
create schema guard;
create table guard.tables (name text primary key);
insert into guard.tables values
('auth.audit_log_entries'), ('auth.identities'), ('auth.refresh_tokens'), ('auth.sessions'), ('auth.users'),
('storage.buckets'), ('storage.objects'), ('storage.buckets_analytics'), ('storage.s3_multipart_uploads'),
('storage.s3_multipart_uploads_parts'), ('realtime.messages'), ('realtime.subscription');
create function guard.is_postgres() returns boolean language sql stable set search_path = ''
as $$
    select case current_setting('role') when 'none' then session_user else current_setting('role') end = 'postgres'
$$;
create function guard.lend() returns event_trigger language plpgsql security definer set search_path = ''
as $$
begin
    if guard.is_postgres() then
        grant supabase_storage_admin, supabase_auth_admin, supabase_realtime_admin
            to postgres with inherit true, set false;
    end if;
end
$$;
create function guard.take_back() returns event_trigger language plpgsql security definer set search_path = ''
as $$
declare
    refused text;
begin
    if not guard.is_postgres() then
        return;
    end if;
    select c.object_identity into refused
    from pg_event_trigger_ddl_commands() as c
    left join pg_catalog.pg_policy as p on c.classid = 'pg_catalog.pg_policy'::regclass and p.oid = c.objid
    where c.object_identity ~ '\m(auth|storage|realtime)\.'
        and not exists (select from guard.tables as t where t.name::regclass = p.polrelid);
    if refused is not null then
        raise exception 'must be owner of %', refused using errcode = 'insufficient_privilege';
    end if;
    revoke supabase_storage_admin, supabase_auth_admin, supabase_realtime_admin from postgres;
end
$$;
create function guard.check_dropped() returns event_trigger language plpgsql security definer set search_path = ''
as $$
declare
    refused text;
begin
    select d.object_identity into refused
    from pg_event_trigger_dropped_objects() as d
    where d.original and guard.is_postgres() and d.address_names[1] in ('auth', 'storage', 'realtime')
        and not exists (select from guard.tables as t where t.name = d.address_names[1] || '.' || d.address_names[2]);
    if refused is not null then
        raise exception 'must be owner of %', refused using errcode = 'insufficient_privilege';
    end if;
end
$$;
create event trigger guard_lend on ddl_command_start
    when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY', 'DROP TRIGGER', 'COMMENT')
    execute function guard.lend();
create event trigger guard_take_back on ddl_command_end
    when tag in ('CREATE POLICY', 'ALTER POLICY', 'DROP POLICY', 'DROP TRIGGER', 'COMMENT')
    execute function guard.take_back();
create event trigger guard_check_dropped on sql_drop when tag in ('DROP POLICY', 'DROP TRIGGER')
    execute function guard.check_dropped();
-- Whatever session_replication_role says.
alter event trigger guard_lend enable always;
alter event trigger guard_take_back enable always;
alter event trigger guard_check_dropped enable always;

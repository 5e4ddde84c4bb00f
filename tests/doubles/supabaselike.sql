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

set role supabase_auth_admin;
create type auth.factor_type as enum ('totp', 'webauthn', 'phone');
create type auth.factor_status as enum ('unverified', 'verified');
create type auth.aal_level as enum ('aal1', 'aal2', 'aal3');
create type auth.code_challenge_method as enum ('s256', 'plain');
create type auth.one_time_token_type as enum (
    'confirmation_token', 'reauthentication_token', 'recovery_token', 'email_change_token_new',
    'email_change_token_current', 'phone_change_token'
);
create type auth.oauth_registration_type as enum ('dynamic', 'manual');
create type auth.oauth_authorization_status as enum ('pending', 'approved', 'denied', 'expired');
create type auth.oauth_response_type as enum ('code');
create type auth.oauth_client_type as enum ('public', 'confidential');
create table auth.audit_log_entries (
    instance_id uuid, id uuid not null, payload json, created_at timestamptz, ip_address varchar(64) not null
    default '', primary key (id)
);
alter table auth.audit_log_entries enable row level security;
create table auth.custom_oauth_providers (
    id uuid not null default gen_random_uuid(), provider_type text not null, identifier text not null, name text
    not null, client_id text not null, client_secret text not null, acceptable_client_ids text[] not null default
    '{}', scopes text[] not null default '{}', pkce_enabled boolean not null default true, attribute_mapping jsonb
    not null default '{}', authorization_params jsonb not null default '{}', enabled boolean not null default
    true, email_optional boolean not null default false, issuer text, discovery_url text, skip_nonce_check boolean
    not null default false, cached_discovery jsonb, discovery_cached_at timestamptz, authorization_url text,
    token_url text, userinfo_url text, jwks_uri text, created_at timestamptz not null default now(), updated_at
    timestamptz not null default now(), custom_claims_allowlist text[] not null default '{}', unique (identifier),
    primary key (id)
);
create table auth.flow_state (
    id uuid not null, user_id uuid, auth_code text, code_challenge_method auth.code_challenge_method,
    code_challenge text, provider_type text not null, provider_access_token text, provider_refresh_token text,
    created_at timestamptz, updated_at timestamptz, authentication_method text not null, auth_code_issued_at
    timestamptz, invite_token text, referrer text, oauth_client_state_id uuid, linking_target_id uuid,
    email_optional boolean not null default false, primary key (id)
);
alter table auth.flow_state enable row level security;
create table auth.instances (
    id uuid not null, uuid uuid, raw_base_config text, created_at timestamptz, updated_at timestamptz, primary key
    (id)
);
alter table auth.instances enable row level security;
create table auth.oauth_client_states (
    id uuid not null, provider_type text not null, code_verifier text, created_at timestamptz not null, primary
    key (id)
);
create table auth.oauth_clients (
    id uuid not null, client_secret_hash text, registration_type auth.oauth_registration_type not null,
    redirect_uris text not null, grant_types text not null, client_name text, client_uri text, logo_uri text,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now(), deleted_at
    timestamptz, client_type auth.oauth_client_type not null default 'confidential', token_endpoint_auth_method
    text not null, primary key (id)
);
create table auth.schema_migrations (
    version varchar(255) not null, primary key (version)
);
alter table auth.schema_migrations enable row level security;
create table auth.sso_providers (
    id uuid not null, resource_id text, created_at timestamptz, updated_at timestamptz, disabled boolean, primary
    key (id)
);
alter table auth.sso_providers enable row level security;
create table auth.users (
    instance_id uuid, id uuid not null, aud varchar(255), role varchar(255), email varchar(255),
    encrypted_password varchar(255), email_confirmed_at timestamptz, invited_at timestamptz, confirmation_token
    varchar(255), confirmation_sent_at timestamptz, recovery_token varchar(255), recovery_sent_at timestamptz,
    email_change_token_new varchar(255), email_change varchar(255), email_change_sent_at timestamptz,
    last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb, is_super_admin boolean,
    created_at timestamptz, updated_at timestamptz, phone text default null, phone_confirmed_at timestamptz,
    phone_change text default '', phone_change_token varchar(255) default '', phone_change_sent_at timestamptz,
    confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
    email_change_token_current varchar(255) default '', email_change_confirm_status smallint default 0,
    banned_until timestamptz, reauthentication_token varchar(255) default '', reauthentication_sent_at
    timestamptz, is_sso_user boolean not null default false, deleted_at timestamptz, is_anonymous boolean not null
    default false, primary key (id), unique (phone)
);
alter table auth.users enable row level security;
create table auth.webauthn_challenges (
    id uuid not null default gen_random_uuid(), user_id uuid, challenge_type text not null, session_data jsonb not
    null, created_at timestamptz not null default now(), expires_at timestamptz not null, primary key (id),
    foreign key (user_id) references auth.users(id) on delete cascade
);
create table auth.webauthn_credentials (
    id uuid not null default gen_random_uuid(), user_id uuid not null, credential_id bytea not null, public_key
    bytea not null, attestation_type text not null default '', aaguid uuid, sign_count bigint not null default 0,
    transports jsonb not null default '[]', backup_eligible boolean not null default false, backed_up boolean not
    null default false, friendly_name text not null default '', created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(), last_used_at timestamptz, primary key (id), foreign key
    (user_id) references auth.users(id) on delete cascade
);
create table auth.identities (
    provider_id text not null, user_id uuid not null, identity_data jsonb not null, provider text not null,
    last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz, email text generated always as
    (lower((identity_data ->> 'email'))) stored, id uuid not null default gen_random_uuid(), primary key (id),
    unique (provider_id, provider), foreign key (user_id) references auth.users(id) on delete cascade
);
alter table auth.identities enable row level security;
create table auth.mfa_factors (
    id uuid not null, user_id uuid not null, friendly_name text, factor_type auth.factor_type not null, status
    auth.factor_status not null, created_at timestamptz not null, updated_at timestamptz not null, secret text,
    phone text, last_challenged_at timestamptz, web_authn_credential jsonb, web_authn_aaguid uuid,
    last_webauthn_challenge_data jsonb, unique (last_challenged_at), primary key (id), foreign key (user_id)
    references auth.users(id) on delete cascade
);
alter table auth.mfa_factors enable row level security;
create table auth.oauth_authorizations (
    id uuid not null, authorization_id text not null, client_id uuid not null, user_id uuid, redirect_uri text not
    null, scope text not null, state text, resource text, code_challenge text, code_challenge_method
    auth.code_challenge_method, response_type auth.oauth_response_type not null default 'code', status
    auth.oauth_authorization_status not null default 'pending', authorization_code text, created_at timestamptz
    not null default now(), expires_at timestamptz not null default (now() + '00:03:00'), approved_at timestamptz,
    nonce text, unique (authorization_code), unique (authorization_id), foreign key (client_id) references
    auth.oauth_clients(id) on delete cascade, primary key (id), foreign key (user_id) references auth.users(id) on
    delete cascade
);
create table auth.oauth_consents (
    id uuid not null, user_id uuid not null, client_id uuid not null, scopes text not null, granted_at timestamptz
    not null default now(), revoked_at timestamptz, primary key (id), unique (user_id, client_id), foreign key
    (user_id) references auth.users(id) on delete cascade, foreign key (client_id) references
    auth.oauth_clients(id) on delete cascade
);
create table auth.one_time_tokens (
    id uuid not null, user_id uuid not null, token_type auth.one_time_token_type not null, token_hash text not
    null, relates_to text not null, created_at timestamp not null default now(), updated_at timestamp not null
    default now(), primary key (id), foreign key (user_id) references auth.users(id) on delete cascade
);
alter table auth.one_time_tokens enable row level security;
create table auth.saml_providers (
    id uuid not null, sso_provider_id uuid not null, entity_id text not null, metadata_xml text not null,
    metadata_url text, attribute_mapping jsonb, created_at timestamptz, updated_at timestamptz, name_id_format
    text, primary key (id), unique (entity_id), foreign key (sso_provider_id) references auth.sso_providers(id) on
    delete cascade
);
alter table auth.saml_providers enable row level security;
create table auth.saml_relay_states (
    id uuid not null, sso_provider_id uuid not null, request_id text not null, for_email text, redirect_to text,
    created_at timestamptz, updated_at timestamptz, flow_state_id uuid, primary key (id), foreign key
    (sso_provider_id) references auth.sso_providers(id) on delete cascade, foreign key (flow_state_id) references
    auth.flow_state(id) on delete cascade
);
alter table auth.saml_relay_states enable row level security;
create table auth.sessions (
    id uuid not null, user_id uuid not null, created_at timestamptz, updated_at timestamptz, factor_id uuid, aal
    auth.aal_level, not_after timestamptz, refreshed_at timestamp, user_agent text, ip inet, tag text,
    oauth_client_id uuid, refresh_token_hmac_key text, refresh_token_counter bigint, scopes text, primary key
    (id), foreign key (user_id) references auth.users(id) on delete cascade, foreign key (oauth_client_id)
    references auth.oauth_clients(id) on delete cascade
);
alter table auth.sessions enable row level security;
create table auth.sso_domains (
    id uuid not null, sso_provider_id uuid not null, domain text not null, created_at timestamptz, updated_at
    timestamptz, primary key (id), foreign key (sso_provider_id) references auth.sso_providers(id) on delete
    cascade
);
alter table auth.sso_domains enable row level security;
create table auth.mfa_amr_claims (
    session_id uuid not null, created_at timestamptz not null, updated_at timestamptz not null,
    authentication_method text not null, id uuid not null, primary key (id), unique (session_id,
    authentication_method), foreign key (session_id) references auth.sessions(id) on delete cascade
);
alter table auth.mfa_amr_claims enable row level security;
create table auth.mfa_challenges (
    id uuid not null, factor_id uuid not null, created_at timestamptz not null, verified_at timestamptz,
    ip_address inet not null, otp_code text, web_authn_session_data jsonb, foreign key (factor_id) references
    auth.mfa_factors(id) on delete cascade, primary key (id)
);
alter table auth.mfa_challenges enable row level security;
create table auth.refresh_tokens (
    instance_id uuid, id bigint not null generated by default as identity, token varchar(255), user_id
    varchar(255), revoked boolean, created_at timestamptz, updated_at timestamptz, parent varchar(255), session_id
    uuid, primary key (id), unique (token), foreign key (session_id) references auth.sessions(id) on delete
    cascade
);
alter table auth.refresh_tokens enable row level security;
reset role;
-- @claims

-- @storage
set role supabase_storage_admin;
create table storage.buckets_analytics (
    name text not null, type storage.buckettype not null default 'ANALYTICS', format text not null default
    'ICEBERG', created_at timestamptz not null default now(), updated_at timestamptz not null default now(), id
    uuid not null default gen_random_uuid(), deleted_at timestamptz, primary key (id)
);
alter table storage.buckets_analytics enable row level security;
create table storage.buckets_vectors (
    id text not null, type storage.buckettype not null default 'VECTOR', created_at timestamptz not null default
    now(), updated_at timestamptz not null default now(), primary key (id)
);
alter table storage.buckets_vectors enable row level security;
create table storage.iceberg_namespaces (
    id uuid not null default gen_random_uuid(), bucket_name text not null, name text not null, created_at
    timestamptz not null default now(), updated_at timestamptz not null default now(), metadata jsonb not null
    default '{}', catalog_id uuid not null, primary key (id), foreign key (catalog_id) references
    storage.buckets_analytics(id) on delete cascade
);
alter table storage.iceberg_namespaces enable row level security;
create table storage.iceberg_tables (
    id uuid not null default gen_random_uuid(), namespace_id uuid not null, bucket_name text not null, name text
    not null, location text not null, created_at timestamptz not null default now(), updated_at timestamptz not
    null default now(), remote_table_id text, shard_key text, shard_id text, catalog_id uuid not null, primary key
    (id), foreign key (namespace_id) references storage.iceberg_namespaces(id) on delete cascade, foreign key
    (catalog_id) references storage.buckets_analytics(id) on delete cascade
);
alter table storage.iceberg_tables enable row level security;
create table storage.migrations (
    id integer not null, name varchar(100) not null, hash varchar(40) not null, executed_at timestamp default
    now(), primary key (id), unique (name)
);
alter table storage.migrations enable row level security;
create table storage.s3_multipart_uploads (
    id text not null, in_progress_size bigint not null default 0, upload_signature text not null, bucket_id text
    not null, key text not null, version text not null, owner_id text, created_at timestamptz not null default
    now(), user_metadata jsonb, metadata jsonb, primary key (id), foreign key (bucket_id) references
    storage.buckets(id)
);
alter table storage.s3_multipart_uploads enable row level security;
create table storage.s3_multipart_uploads_parts (
    id uuid not null default gen_random_uuid(), upload_id text not null, size bigint not null default 0,
    part_number integer not null, bucket_id text not null, key text not null, etag text not null, owner_id text,
    version text not null, created_at timestamptz not null default now(), foreign key (upload_id) references
    storage.s3_multipart_uploads(id) on delete cascade, foreign key (bucket_id) references storage.buckets(id),
    primary key (id)
);
alter table storage.s3_multipart_uploads_parts enable row level security;
create table storage.vector_indexes (
    id text not null default gen_random_uuid(), name text not null, bucket_id text not null, data_type text not
    null, dimension integer not null, distance_metric text not null, metadata_configuration jsonb, created_at
    timestamptz not null default now(), updated_at timestamptz not null default now(), primary key (id), foreign
    key (bucket_id) references storage.buckets_vectors(id)
);
alter table storage.vector_indexes enable row level security;
grant all on table storage.buckets, storage.objects to anon, authenticated, service_role;
grant all on table storage.buckets, storage.objects to postgres with grant option;
grant all on table storage.buckets_analytics to anon, authenticated, service_role;
grant all on table storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts to service_role;
grant select on table storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts to anon, authenticated;
grant execute on all functions in schema storage to public;
reset role;

set role supabase_realtime_admin;
create table realtime.messages (
    topic text not null, extension text not null, payload jsonb, event text, private boolean default false,
    updated_at timestamp not null default now(), inserted_at timestamp not null default now(),
    id uuid not null default gen_random_uuid(), binary_payload bytea, primary key (id, inserted_at)
) partition by range (inserted_at);
alter table realtime.messages enable row level security;
grant select, insert, update on table realtime.messages to postgres, anon, authenticated, service_role;
create function realtime.topic() returns text language sql stable
as $$ select nullif(current_setting('realtime.topic', true), '')::text $$;
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

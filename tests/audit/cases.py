"""For each rule that reads the catalogue: what breaks it, and the object that it must name."""

from dataclasses import dataclass

TEMP = "grant temporary on database postgres to"
DEFINER = "returns int language sql security definer"


@dataclass(frozen=True)
class Case:
    """Statements that break one thing, and the finding that must come of it."""

    rule: str
    statement: str
    object: str
    severity: str | None = None
    """Where it isn't the rule's own."""


def _policy(name: str, rest: str) -> str:
    return f"create policy {name} on public.projects {rest}"


CASES = (
    Case("grant-undeclared", "grant truncate on public.users to anon", "table public.users"),
    Case("grant-undeclared", "grant update (owner_id) on public.projects to authenticated",
         "table public.projects.owner_id"),
    Case("grant-undeclared", "grant select on public.projects to anon with grant option", "table public.projects"),
    Case("grant-undeclared", "grant select on analytics.project_totals to authenticated",
         "table analytics.project_totals"),
    Case("grant-undeclared", "grant execute on function private.forget_expired() to public",
         "function private.forget_expired()"),
    Case("grant-undeclared", "create sequence public.s; grant usage on sequence public.s to authenticated",
         "sequence public.s"),
    Case("grant-undeclared", "grant usage on schema private to anon", "schema private"),
    Case("grant-undeclared", "create type public.mood as enum ('good'); grant usage on type public.mood to anon",
         "type public.mood"),
    Case("grant-undeclared", "grant temporary on database postgres to public", "database postgres"),
    Case("grant-undeclared", "grant usage on language sql to anon", "language sql"),
    Case("grant-undeclared", "select lo_create(4711); grant select on large object 4711 to public",
         "large object 4711"),
    Case("grant-undeclared", "create foreign data wrapper w; grant usage on foreign data wrapper w to anon",
         "foreign data wrapper w"),
    Case("grant-undeclared",
         "create foreign data wrapper w; create server s foreign data wrapper w; "
         "grant usage on foreign server s to anon",
         "foreign server s"),
    Case("grant-undeclared", "grant create on tablespace pg_default to monitor", "tablespace pg_default"),
    Case("grant-undeclared", "grant set on parameter log_statement to anon", "parameter log_statement"),
    # The server's own objects, where somebody widened what it gives.
    Case("grant-undeclared", "grant select on pg_catalog.pg_authid to anon", "table pg_authid"),
    Case("grant-undeclared", "grant execute on function pg_read_file(text) to authenticated",
         "function pg_read_file(text)"),
    Case("grant-undeclared", "grant select on statistics.pg_stat_statements to anon",
         "table statistics.pg_stat_statements"),
    # What the Storage API brings along is its own affair.
    Case("grant-undeclared",
         "set local role supabase_storage_admin; create table storage.more (id int primary key); "
         "alter table storage.more enable row level security; grant select on storage.more to anon; reset role",
         "table storage.more", "info"),
    # But for what row security doesn't bind.
    Case("grant-undeclared",
         "set local role supabase_storage_admin; create table storage.more (id int primary key); "
         "alter table storage.more enable row level security; grant truncate on storage.more to anon; reset role",
         "table storage.more"),
    Case("declared-missing", "drop view authjs.accounts", "table authjs.accounts"),
    Case("declared-missing", "drop function public.usage_summary(timestamptz)",
         "function public.usage_summary(timestamptz)"),
    Case("default-privileges-open", "alter default privileges for role app_owner grant execute on functions to public",
         "new functions of app_owner"),
    Case("default-privileges-open", "alter default privileges grant usage on types to public", "new types of postgres"),
    Case("default-privileges-given",
         "alter default privileges for role app_owner in schema public grant select on tables to anon",
         "new tables of app_owner in public"),
    Case("superuser", "create role stray superuser", "role stray"),
    Case("superuser-provisions", "", "role postgres"),
    Case("role-attribute", "alter role anon createdb", "role anon"),
    Case("role-attribute", "alter role app_owner login", "role app_owner"),
    Case("role-attribute", "alter role authenticated bypassrls", "role authenticated"),
    Case("role-undeclared", "create role stray login", "role stray"),
    Case("role-undeclared", "create role stray bypassrls", "role stray"),
    Case("membership-undeclared", "grant app_owner to authenticated", "role authenticated"),
    Case("membership-undeclared", "grant pg_read_all_data to monitor", "role monitor"),
    Case("membership-option", "grant anon to authenticator with admin option", "role authenticator"),
    Case("password-not-scram", "set local password_encryption = 'md5'; alter role authjs password 'guessed'",
         "role authjs"),
    Case("password-not-scram", "alter role monitor password null", "role monitor", "low"),
    Case("password-expired", "alter role backup valid until '2020-01-01'", "role backup"),
    Case("login-unlimited", "alter role monitor connection limit -1", "role monitor"),
    Case("role-setting", "alter role anon set row_security = off", "role anon"),
    Case("role-setting", "alter role authjs in database postgres set search_path = public", "role authjs"),
    Case("role-setting", "alter database postgres set \"app.jwt_secret\" = 'x'", "database postgres", "high"),
    Case("row-security-off", "create table private.bare (id int)", "table private.bare"),
    Case("row-security-off", "alter table public.projects disable row level security", "table public.projects",
         "critical"),
    Case("row-security-off",
         "create table analytics.api_usage_2001_01 partition of analytics.api_usage "
         "for values from ('2001-01-01') to ('2001-02-01')", "table analytics.api_usage_2001_01"),
    Case("row-security-off",
         "create schema shown; create table shown.bare (id int); grant usage on schema shown to anon; "
         "grant select on shown.bare to anon", "table shown.bare", "critical"),
    Case("row-security-not-forced", "alter table next_auth.users no force row level security", "table next_auth.users"),
    Case("policies-without-effect", "alter table public.projects disable row level security", "table public.projects"),
    Case("row-security-without-policy",
         "create table public.closed (id int); alter table public.closed enable row level security",
         "table public.closed"),
    Case("backup-in-part",
         "alter role backup nobypassrls; alter policy projects_select_definer on public.projects to app_owner",
         "table public.projects"),
    Case("backup-in-part",
         "alter role backup nobypassrls; " + _policy("stray", "as restrictive for all to backup using (false)"),
         "table public.projects"),
    Case("policy-undeclared", _policy("stray", "for select to app_owner using (false)"),
         "policy stray on public.projects"),
    Case("policy-open-to-write", _policy("stray", "for delete to authenticated using (true)"),
         "policy stray on public.projects"),
    Case("policy-open-to-write", _policy("stray", "for insert to anon with check (true)"),
         "policy stray on public.projects"),
    Case("policy-open-to-write", _policy("stray", "using (true)"), "policy stray on public.projects"),
    Case("policy-open-to-read", _policy("stray", "for select to anon using (true)"), "policy stray on public.projects"),
    Case("policy-for-everybody", _policy("stray", "for select using (false)"), "policy stray on public.projects"),
    Case("policy-asks-per-row", _policy("stray", "for select to anon using (owner_id = auth.uid())"),
         "policy stray on public.projects"),
    Case("policy-asks-per-row",
         _policy("stray", "for select to anon using (owner_id = (select auth.uid()) or owner_id = auth.uid())"),
         "policy stray on public.projects"),
    Case("policy-asks-per-row",
         _policy("stray", "for select to anon using (title = current_setting('request.title', true))"),
         "policy stray on public.projects"),
    Case("policy-asks-per-row",
         "create function private.mine() returns uuid language sql set search_path = '' as 'select auth.uid()'; "
         + _policy("stray", "for select to anon using (owner_id = private.mine())"), "policy stray on public.projects"),
    Case("policies-meet", _policy("stray", "for select to authenticated using (false)"), "table public.projects"),
    Case("policy-trusts-user-metadata",
         _policy("stray", "for select to anon using ((select auth.jwt()) -> 'user_metadata' ->> 'admin' = 'yes')"),
         "policy stray on public.projects"),
    Case("bucket-listing", "create policy stray on storage.objects for select to anon using (bucket_id = 'audio')",
         "policy stray on storage.objects"),
    Case("column-sensitive", "grant select on next_auth.accounts to authenticated; "
         "grant usage on schema next_auth to authenticated", "column next_auth.accounts.access_token"),
    Case("view-with-owners-rights", "create view public.all_projects as select * from public.projects",
         "view public.all_projects"),
    Case("beside-row-security", "create materialized view analytics.stray as select 1 as one; "
         "grant select on analytics.stray to service_role", "materialized view analytics.stray"),
    Case("people-exposed",
         "create view public.people with (security_invoker = true) as select email from next_auth.users; "
         "grant select on public.people to authenticated", "view public.people"),
    Case("object-undeclared", "create table public.notes (id int)", "table public.notes"),
    Case("object-undeclared", "create function public.f() returns int language sql set search_path = '' as 'select 1'",
         "function public.f()"),
    Case("definer-path", f"create function private.f() {DEFINER} as 'select 1'", "function private.f()"),
    Case("definer-path", f"create function private.f() {DEFINER} set search_path = public as 'select 1'",
         "function private.f()"),
    Case("function-path", "create function private.f() returns int language sql as 'select 1'", "function private.f()"),
    Case("definer-open", f"create function private.f() {DEFINER} set search_path = '' as 'select 1'; "
         "grant execute on function private.f() to public", "function private.f()"),
    Case("definer-open", f"create function private.f() {DEFINER} set search_path = '' as 'select 1'; "
         "grant execute on function private.f() to anon", "function private.f()"),
    Case("definer-exposed", f"create function public.f() {DEFINER} set search_path = '' as 'select 1'; "
         "grant execute on function public.f() to authenticated", "function public.f()"),
    Case("definer-exposed", f"create function public.f() {DEFINER} set search_path = '' as 'select 1'; "
         "grant execute on function public.f() to anon", "function public.f()", "high"),
    Case("definer-superuser", f"create function private.f() {DEFINER} set search_path = '' as 'select 1'",
         "function private.f()"),
    Case("language-untrusted",
         "create function private.f() returns int language c as '$libdir/plpgsql', 'plpgsql_inline_handler'",
         "function private.f()"),
    Case("function-leakproof", "create function private.f() returns int language sql leakproof as 'select 1'",
         "function private.f()"),
    Case("owner-unexpected", "alter table public.projects owner to monitor", "table public.projects"),
    Case("owner-unexpected", "alter schema private owner to postgres", "schema private"),
    Case("event-trigger", "create function private.e() returns event_trigger language plpgsql as 'begin end'; "
         "create event trigger stray on ddl_command_end execute function private.e()", "event trigger stray"),
    Case("schema-create", "grant create on schema public to public", "schema public"),
    Case("schema-create", "grant app_owner to anon", "schema public"),
    Case("schema-undeclared", "create schema stray", "schema stray"),
    Case("schema-undeclared", "create schema stray; grant usage on schema stray to anon", "schema stray", "high"),
    Case("extension-undeclared", "create extension citext schema extensions", "extension citext"),
    Case("extension-undeclared", "create extension citext schema public", "extension citext", "medium"),
    Case("extension-outdated", "update pg_extension set extversion = '0.1' where extname = 'pgcrypto'",
         "extension pgcrypto"),
    Case("published-secrets", "alter publication supabase_realtime add table next_auth.sessions",
         "publication supabase_realtime"),
    Case("published-undeclared", "alter publication supabase_realtime add table public.users",
         "publication supabase_realtime"),
    Case("published-undeclared", "create publication stray for all tables", "publication stray"),
    Case("published-undeclared", "create publication stray for tables in schema public", "publication stray"),
    Case("subscription", "create subscription stray connection 'dbname=x' publication p with (connect = false)",
         "subscription stray"),
    Case("foreign-server", "create foreign data wrapper w; create server s foreign data wrapper w", "foreign server s"),
    Case("foreign-server", "create foreign data wrapper w; create server s foreign data wrapper w; "
         "create user mapping for monitor server s options (password 'x')", "user mapping of monitor on s", "high"),
    Case("large-objects", "select lo_create(0)", "large objects"),
    Case("foreign-key-unindexed", "create table private.kid (p uuid constraint kid_fkey references public.projects)",
         "foreign key kid_fkey on private.kid"),
    Case("index-duplicate", "create index again on public.projects (id); create index twice on public.projects (id)",
         "indexes on public.projects"),
    Case("index-invalid", "update pg_index set indisvalid = false where indexrelid = 'public.projects_pkey'::regclass",
         "index public.projects_pkey"),
    Case("primary-key-missing", "create table public.notes (id int)", "table public.notes"),
    Case("constraint-not-valid", "alter table public.projects add constraint c check (title <> 'x') not valid",
         "constraint c on public.projects"),
    Case("column-type-not-upgradable", "create table private.t (p regproc)", "column private.t.p"),
    Case("foreign-key-into-platform",
         "create table private.t (b text constraint t_fkey references storage.buckets (name))",
         "foreign key t_fkey on private.t"),
    Case("tls", "", "setting ssl", "info"),
    Case("library-loaded", "", "setting shared_preload_libraries", "info"),
    Case("archive-off", "", "setting archive_mode"),
    Case("bucket-public", "update storage.buckets set public = true", "bucket audio"),
    Case("bucket-undeclared", "insert into storage.buckets (id, name) values ('stray', 'stray')", "bucket stray"),
    Case("bucket-unlimited", "update storage.buckets set file_size_limit = null", "bucket audio"),
)  # fmt: skip

"""What the audit's rules have looked at where they found nothing: without it no control has passed."""

LOGINS = """
    select count(*) || ' logins: ' || string_agg(rolname, ', ' order by rolname) as seen from pg_roles where rolcanlogin
"""
DEFINERS = """
    select count(*) || ' functions with their owner''s privileges, ' || count(*) filter (where proconfig is not null)
        || ' with a search path' as seen
    from pg_proc as p join pg_namespace as n on n.oid = pronamespace
    where prosecdef and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
"""
TABLES = """
    select count(*) filter (where relrowsecurity) || ' of ' || count(*)
        || ' tables of the exposed schemas have row security, '
        || count(*) filter (where relforcerowsecurity) || ' forced' as seen
    from pg_class where relkind in ('r', 'p') and relnamespace::regnamespace::text = any(%(exposed)s)
"""
POLICIES = """
    select count(*) || ' row policies on ' || count(distinct polrelid) || ' tables' as seen from pg_policy
"""
GRANTED = """
    select count(*) || ' tables, views and sequences with a list of privileges' as seen
    from pg_class as c join pg_namespace as n on n.oid = relnamespace where relacl is not null and n.nspname !~ '^pg_'
"""
SUPERUSERS = """
    select 'superusers: ' || coalesce(string_agg(rolname, ', ' order by rolname), 'none') as seen
    from pg_roles where rolsuper
"""
MEMBERSHIPS = "select count(*) || ' memberships' as seen from pg_auth_members"
EXTENSIONS = """
    select string_agg(extname || ' ' || extversion, ', ' order by extname) as seen from pg_extension
"""
# Rule of the audit → a query; its rows are the evidence, one text each.
OBSERVED = {
    "superuser": SUPERUSERS,
    "role-attribute": """
        select count(*) || ' roles; bypassing row security: '
            || coalesce(string_agg(rolname, ', ' order by rolname) filter (where rolbypassrls), 'none') as seen
        from pg_roles where rolname !~ '^pg_'
    """,
    "role-undeclared": LOGINS,
    "password-expired": LOGINS,
    "password-old": LOGINS,
    "password-not-scram": """
        select count(*) || ' logins, all with SCRAM-SHA-256' as seen from pg_authid where rolcanlogin
    """,
    "membership-undeclared": MEMBERSHIPS,
    "membership-option": MEMBERSHIPS,
    "definer-open": DEFINERS,
    "definer-path": DEFINERS,
    "definer-superuser": DEFINERS,
    "language-untrusted": "select 'languages: ' || string_agg(lanname, ', ' order by lanname) as seen from pg_language",
    "grant-undeclared": GRANTED,
    "owner-unexpected": GRANTED,
    "default-privileges-given": "select count(*) || ' default privileges' as seen from pg_default_acl",
    "row-security-off": TABLES,
    "row-security-not-forced": TABLES,
    "policy-undeclared": POLICIES,
    "policy-open-to-write": POLICIES,
    "policy-open-to-read": POLICIES,
    "view-with-owners-rights": """
        select count(*) || ' views, ' || count(*) filter (where 'security_invoker=true' = any(reloptions))
            || ' that run as who asks' as seen
        from pg_class as c join pg_namespace as n on n.oid = relnamespace
        where relkind = 'v' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    """,
    "schema-create": """
        select 'privileges on schema public: ' || coalesce(nspacl::text, 'as PostgreSQL makes it') as seen
        from pg_namespace where nspname = 'public'
    """,
    "listens-everywhere": """
        select 'listen_addresses is ' || setting as seen from pg_settings where name = 'listen_addresses'
    """,
    "login-method": """
        select count(*) || ' lines of pg_hba: ' || string_agg(distinct type || ' ' || auth_method, ', ') as seen
        from pg_hba_file_rules
    """,
    "login-unlimited": """
        select string_agg(rolname || ' ' || rolconnlimit, ', ' order by rolname) as seen from pg_roles
        where rolcanlogin and rolconnlimit >= 0
    """,
    "extension-undeclared": EXTENSIONS,
    "extension-outdated": EXTENSIONS,
    "library-loaded": """
        select 'shared_preload_libraries is ' || coalesce(nullif(setting, ''), 'empty') as seen from pg_settings
        where name = 'shared_preload_libraries'
    """,
    "role-setting": "select count(*) || ' roles and databases with settings' as seen from pg_db_role_setting",
    "archive-off": "select 'archive_mode is ' || setting as seen from pg_settings where name = 'archive_mode'",
}
BACKUPS = """
    select max(backup) as backup, extract(epoch from now() - max(taken_at)) / 3600 as hours,
        (array_agg(passed order by drilled_at desc nulls last))[1] as passed, max(drilled_at)::date as drilled
    from private.backups
"""
SETTINGS = """
    select name, case when source in ('session', 'user', 'database', 'database user', 'client') then reset_val
        else setting end as value
    from pg_settings
"""

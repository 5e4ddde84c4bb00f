"""Rules on row security: switches, row policies, and what shows rows around them."""

from declared.roles import BACKUP
from declared.rowsecurity import hides
from ops.audit.model import Rule, Severity

# A table is reached from outside where a visitor's or a person's role may use its schema and has a privilege on it.
REACHED = """
    exists (
        select from pg_roles as r
        where r.rolname in ('anon', 'authenticated') and has_schema_privilege(r.oid, c.relnamespace, 'usage')
            and (has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate')
                or has_any_column_privilege(r.oid, c.oid, 'select, insert, update')))
"""
OF_AN_EXTENSION = """
    exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
"""
OURS = "(n.nspname = any(%(schemas)s) or n.nspname = any(%(exposed)s))"

OFF = f"""
    select 'table ' || c.oid::regclass as object, c.oid::regclass::text as name,
        case when {REACHED} then 'critical' end as severity,
        case when {REACHED} then 'visitors or people reach every row of it' else 'nothing guards its rows' end as what
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relrowsecurity and {OURS} and not {OF_AN_EXTENSION}
"""
NOT_FORCED = f"""
    select 'table ' || c.oid::regclass as object, c.oid::regclass::text as name
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and c.relrowsecurity and not c.relforcerowsecurity and {OURS}
        and n.nspname <> all(%(platform)s) and not {OF_AN_EXTENSION}
"""
IDLE = """
    select 'table ' || c.oid::regclass as object, c.oid::regclass::text as name, count(*) as policies
    from pg_policy as p join pg_class as c on c.oid = p.polrelid
    where not c.relrowsecurity group by c.oid
"""
NO_POLICY = f"""
    select 'table ' || c.oid::regclass as object
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and c.relrowsecurity and not c.relispartition and {OURS}
        and not exists (select from pg_policy as p where p.polrelid = c.oid)
        and not (n.nspname = any(%(platform)s) and c.oid::regclass::text <> all(%(tables)s))
"""
POLICY = """
    with policies as (
        select p.polname as name, p.polrelid::regclass::text as "table", p.polcmd as command,
            p.polpermissive as permissive,
            'policy ' || p.polname || ' on ' || p.polrelid::regclass as object,
            'drop policy ' || quote_ident(p.polname) || ' on ' || p.polrelid::regclass || ';' as gone,
            p.polroles as roles,
            array(select coalesce(r.rolname, 'public')::text from unnest(p.polroles) as o (oid)
                left join pg_roles as r on r.oid = o.oid) as names,
            coalesce(pg_get_expr(p.polqual, p.polrelid), '') as visible,
            coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') as checked
        from pg_policy as p
    )
"""
UNDECLARED = f"""{POLICY}
    select object, gone from policies as p where "table" || '/' || name <> all(%(policies)s)
        -- A partition's is its table's, for some of its roles.
        and not exists (
            select from pg_inherits as i join policies as t on t."table" = i.inhparent::regclass::text
            where i.inhrelid = p."table"::regclass and t.roles @> p.roles
                and (t.command, t.permissive, t.visible, t.checked) = (p.command, p.permissive, p.visible, p.checked)
        )
"""
# pg_dump --enable-row-security says nothing of the rows that it isn't shown.
LEFT_OUT = f"""
    select 'table ' || c.oid::regclass as object, c.oid::regclass::text as name
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    join pg_roles as b on b.rolname = '{BACKUP}' and not b.rolbypassrls and not b.rolsuper
    where c.relkind in ('r', 'p') and c.relrowsecurity and n.nspname !~ '^(pg_|information_schema$)'
        and {hides("c.oid", "b.oid")}
"""
OPEN_WRITE = f"""{POLICY}
    select object, gone, array_to_string(names, ', ') as roles from policies
    where permissive and command <> 'r' and names && array['public', 'anon', 'authenticated']
        and (visible = 'true' or checked = 'true')
"""
OPEN_READ = f"""{POLICY}
    select object, gone, array_to_string(names, ', ') as roles from policies
    where permissive and command in ('r', '*') and visible = 'true'
        and names && array['public', 'anon', 'authenticated']
"""
FOR_EVERYBODY = f"""{POLICY}
    select object, 'alter policy ' || quote_ident(name) || ' on ' || "table" || ' to authenticated;' as narrowed
    from policies where 0 = any(roles)
"""
BARE = f"""{POLICY}
    select distinct object, found[1] as call
    from policies
    -- A call without arguments, or of the session's settings, that no scalar sub-select stands before.
    cross join regexp_matches(
        visible || ' ' || checked,
        '(?<!SELECT )(?<![[:alnum:]_.])((?:[a-z_]+\\.)?[a-z_]+\\(\\)|current_setting\\()', 'g'
    ) as found
    where found[1] !~ '^(now|statement_timestamp|transaction_timestamp)\\('
"""
TWICE = f"""{POLICY}
    select 'table ' || "table" as object, role, string_agg(name, ' and ' order by name) as both
    from policies cross join unnest(names) as role
    cross join lateral unnest(
        case command when '*' then array['r', 'a', 'w', 'd'] else array[command::text] end
    ) as word
    where permissive
    group by "table", role, word having count(*) > 1
"""
USER_METADATA = f"""{POLICY}
    select object, gone from policies where visible || ' ' || checked ~ '(user_metadata|raw_user_meta_data)'
"""
BUCKET_LISTING = f"""{POLICY}
    select object, gone from policies
    where "table" = 'storage.objects' and command in ('r', '*') and visible <> 'true'
        and visible ~ '^\\(?bucket_id = ''[^'']*''(::text)?\\)?$'
"""
SENSITIVE = f"""
    select 'column ' || c.oid::regclass || '.' || a.attname as object, r.rolname as role,
        'revoke select on table ' || c.oid::regclass || ' from ' || quote_ident(r.rolname) || ';' as revoke
    from pg_attribute as a
    join pg_class as c on c.oid = a.attrelid
    join pg_namespace as n on n.oid = c.relnamespace
    join pg_roles as r on r.rolname in ('anon', 'authenticated', 'monitor')
    where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f') and {OURS}
        and a.attname ~* '(password|passwd|secret|token$|api_?key|private_key|credential|session_?id|ssn|credit_?card)'
        and has_schema_privilege(r.oid, n.oid, 'usage') and has_column_privilege(r.oid, c.oid, a.attnum, 'select')
"""
VIEWS = f"""
    select 'view ' || c.oid::regclass as object, c.oid::regclass::text as name
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind = 'v' and {OURS} and not {OF_AN_EXTENSION}
        and not coalesce(c.reloptions::text[]
            && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)
"""
BESIDE = """
    select case c.relkind when 'm' then 'materialized view ' else 'foreign table ' end || c.oid::regclass as object,
        r.rolname as role,
        'revoke all on table ' || c.oid::regclass || ' from ' || quote_ident(r.rolname) || ';' as revoke
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    join pg_roles as r on r.rolname in ('anon', 'authenticated', 'service_role')
    where c.relkind in ('m', 'f') and n.nspname !~ '^pg_' and has_table_privilege(r.oid, c.oid, 'select')
"""
PEOPLE = """
    select distinct 'view ' || c.oid::regclass as object, t.oid::regclass::text as shows,
        'revoke all on table ' || c.oid::regclass || ' from anon, authenticated;' as revoke
    from pg_rewrite as w
    join pg_class as c on c.oid = w.ev_class and c.relkind in ('v', 'm')
    join pg_namespace as n on n.oid = c.relnamespace and n.nspname = any(%(exposed)s)
    join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
        and d.refclassid = 'pg_class'::regclass and d.refobjid <> c.oid
    join pg_class as t on t.oid = d.refobjid
    join pg_namespace as s on s.oid = t.relnamespace and (s.nspname, t.relname) in (
        ('auth', 'users'), ('next_auth', 'users'), ('next_auth', 'accounts'), ('next_auth', 'sessions'),
        ('next_auth', 'verification_tokens'))
    join pg_roles as r on r.rolname in ('anon', 'authenticated') and has_table_privilege(r.oid, c.oid, 'select')
"""
UNLISTED = f"""
    select 'table ' || c.oid::regclass as object
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and {OURS} and not {OF_AN_EXTENSION}
        and n.nspname <> all(%(platform)s) and c.oid::regclass::text <> all(%(tables)s)
    union all
    select 'function ' || p.oid::regprocedure
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where {OURS} and n.nspname <> all(%(platform)s)
        and not exists (select from pg_depend as d
            where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
        and p.oid <> all(array(select coalesce(to_regprocedure(f), 0) from unnest(%(functions)s::text[]) as f))
"""

RULES = (
    Rule(
        "row-security-off",
        Severity.high,
        "a table, or a partition, without row security",
        "row security is off: {what}",
        "alter table {name} enable row level security; alter table {name} force row level security;",
        OFF,
        ("splinter 0013_rls_disabled_in_public", "CIS PostgreSQL 4.7"),
    ),
    Rule(
        "row-security-not-forced",
        Severity.medium,
        "a table whose owner row security doesn't bind; those of the Storage API are left out",
        "its owner, and every function that runs as it, sees all rows",
        "alter table {name} force row level security;",
        NOT_FORCED,
        ("CIS PostgreSQL 4.7",),
    ),
    Rule(
        "policies-without-effect",
        Severity.high,
        "row policies on a table whose row security is off",
        "it has {policies} row policies, and none of them works",
        "alter table {name} enable row level security;",
        IDLE,
        ("splinter 0007_policy_exists_rls_disabled", "CIS PostgreSQL 4.7"),
    ),
    Rule(
        "row-security-without-policy",
        Severity.info,
        "row security without a row policy, where that isn't declared to be meant",
        "only roles that bypass row security reach it; if that is meant, list it in components/access.py",
        "write sql/policies/<schema>.<table>.sql",
        NO_POLICY,
        ("splinter 0008_rls_enabled_no_policy",),
    ),
    Rule(
        "backup-in-part",
        Severity.high,
        "a table whose rows a backup lacks, where its login can't bypass row security",
        f"row security hides rows of it from {BACKUP}, and a dump lacks them",
        "let " + BACKUP + " read it in sql/policies: for select to … using (true), then make up",
        LEFT_OUT,
    ),
    Rule(
        "policy-undeclared",
        Severity.high,
        "a row policy that no file in sql/policies has",
        "no file in sql/policies has it",
        "{gone}",
        UNDECLARED,
        ("CIS PostgreSQL 4.7",),
    ),
    Rule(
        "policy-open-to-write",
        Severity.critical,
        "a row policy that lets visitors or people write any row",
        "{roles} may write any row",
        "{gone}",
        OPEN_WRITE,
        ("splinter 0024_rls_policy_always_true", "CIS PostgreSQL 4.7"),
    ),
    Rule(
        "policy-open-to-read",
        Severity.high,
        "a row policy that lets visitors or people read any row",
        "{roles} may read any row",
        "{gone}",
        OPEN_READ,
        ("CIS PostgreSQL 4.7",),
    ),
    Rule(
        "policy-for-everybody",
        Severity.medium,
        "a row policy that names no role",
        "it holds for every role there is, logins of other services too",
        "{narrowed}",
        FOR_EVERYBODY,
    ),
    Rule(
        "policy-asks-per-row",
        Severity.low,
        "a row policy that calls a function for each row that needs calling once",
        "it calls {call} for each row",
        "write (select …) around the call in sql/policies, then make up",
        BARE,
        ("splinter 0003_auth_rls_initplan",),
    ),
    Rule(
        "policies-meet",
        Severity.low,
        "two permissive row policies for one role and command",
        "{role} runs {both} for each row",
        "make one row policy of them in sql/policies, then make up",
        TWICE,
        ("splinter 0006_multiple_permissive_policies",),
    ),
    Rule(
        "policy-trusts-user-metadata",
        Severity.critical,
        "a row policy that believes what people write about themselves",
        "people write their own user_metadata",
        "{gone}",
        USER_METADATA,
        ("splinter 0015_rls_references_user_metadata",),
    ),
    Rule(
        "bucket-listing",
        Severity.high,
        "a row policy on storage.objects that shows a whole bucket",
        "it shows every file of a bucket, no matter whose it is",
        "{gone}",
        BUCKET_LISTING,
        ("splinter 0025_public_bucket_allows_listing",),
    ),
    Rule(
        "column-sensitive",
        Severity.high,
        "a column named like a secret that visitors, people or the monitor can read",
        "{role} can read it, and its name says that it is a secret",
        "{revoke}",
        SENSITIVE,
        ("splinter 0023_sensitive_columns_exposed",),
    ),
    Rule(
        "view-with-owners-rights",
        Severity.high,
        "a view that doesn't run as who asks",
        "it shows what its owner may see, past the row policies of who asks",
        "alter view {name} set (security_invoker = true);",
        VIEWS,
        ("splinter 0010_security_definer_view", "CIS PostgreSQL 4.7"),
    ),
    Rule(
        "beside-row-security",
        Severity.high,
        "a materialized view or a foreign table that an API role can read",
        "{role} can read it, and it knows no row security",
        "{revoke}",
        BESIDE,
        ("splinter 0016_materialized_view_in_api", "splinter 0017_foreign_table_in_api"),
    ),
    Rule(
        "people-exposed",
        Severity.critical,
        "a view in an exposed schema that shows the sign-in tables",
        "visitors or people read {shows} through it",
        "{revoke}",
        PEOPLE,
        ("splinter 0002_auth_users_exposed",),
    ),
    Rule(
        "object-undeclared",
        Severity.low,
        "a table, view or function that no grant is declared for, in a schema of ours or an exposed one",
        "declared/grants.py doesn't name it, so that nothing holds its grants",
        "declare it in declared/grants.py, or drop it",
        UNLISTED,
        ("CIS PostgreSQL 4.6",),
    ),
)

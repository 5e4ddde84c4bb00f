"""Rules on functions: whose privileges they run with, where they look names up, who may run them."""

from ops.audit.model import Rule, Severity

OURS = """
    n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not exists (
        select from pg_depend as d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
"""
PATH = "(select split_part(s, '=', 2) from unnest(p.proconfig) as s where s like 'search_path=%%')"
PINNED = f'coalesce({PATH} ~ \'^(""|(pg_catalog|[a-z_, "]*pg_temp))$\', false)'

DEFINER_PATH = f"""
    select 'function ' || p.oid::regprocedure as object, p.oid::regprocedure::text as name,
        coalesce('it looks names up in ' || nullif({PATH}, ''), 'it looks names up where its caller says') as what
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where {OURS} and p.prosecdef and not {PINNED}
"""
# A procedure that commits can't have settings of its own.
ANY_PATH = f"""
    select 'function ' || p.oid::regprocedure as object, p.oid::regprocedure::text as name
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where {OURS} and not p.prosecdef and {PATH} is null and p.prokind <> 'a'
        and not (p.prokind = 'p' and p.prosrc ~* '\\mcommit\\M')
        and (n.nspname = any(%(schemas)s) or n.nspname = any(%(exposed)s)) and n.nspname <> all(%(named_by_platform)s)
"""
DEFINER_OPEN = f"""
    select 'function ' || p.oid::regprocedure as object, g.role,
        'revoke execute on routine ' || p.oid::regprocedure || ' from ' || g.role || ';' as revoke
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    cross join lateral (
        select case when e.grantee = 0 then 'public' else r.rolname::text end as role
        from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as e
        left join pg_roles as r on r.oid = e.grantee
        where e.grantee = 0 or (r.rolname = 'anon'
            and p.oid <> all(array(select coalesce(to_regprocedure(f), 0) from unnest(%(functions)s::text[]) as f)))
    ) as g
    where {OURS} and p.prosecdef and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
"""
DEFINER_EXPOSED = f"""
    select 'function ' || p.oid::regprocedure as object, string_agg(r.rolname, ' and ' order by r.rolname) as roles,
        p.oid::regprocedure::text as name,
        case when bool_or(r.rolname = 'anon') then 'high' end as severity
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    join pg_roles as r on r.rolname in ('anon', 'authenticated')
    where {OURS} and p.prosecdef and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
        and n.nspname = any(%(exposed)s)
        and has_schema_privilege(r.oid, n.oid, 'usage') and has_function_privilege(r.oid, p.oid, 'execute')
    group by p.oid
"""
DEFINER_SUPERUSER = f"""
    select 'function ' || p.oid::regprocedure as object, o.rolname as owner, p.oid::regprocedure::text as name
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    join pg_roles as o on o.oid = p.proowner and o.rolsuper
    where {OURS} and p.prosecdef
"""
UNTRUSTED = f"""
    select 'function ' || p.oid::regprocedure as object, l.lanname as language, p.oid::regprocedure::text as name
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    join pg_language as l on l.oid = p.prolang and not l.lanpltrusted and l.lanname <> 'internal'
    where {OURS}
    union all
    select 'language ' || l.lanname, l.lanname, null
    from pg_language as l where not l.lanpltrusted and l.lanname not in ('internal', 'c')
"""
LEAKPROOF = f"""
    select 'function ' || p.oid::regprocedure as object, p.oid::regprocedure::text as name
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where {OURS} and p.proleakproof
"""
OWNERS = f"""
    select found.object, found.owner, found.repair from (
        select 'table ' || c.oid::regclass as object, n.nspname, o.rolname as owner,
            'alter table ' || c.oid::regclass || ' owner to ' as repair
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace join pg_roles as o on o.oid = c.relowner
        where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and not exists (
            select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
        union all
        select 'function ' || p.oid::regprocedure, n.nspname, o.rolname,
            'alter routine ' || p.oid::regprocedure || ' owner to '
        from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace join pg_roles as o on o.oid = p.proowner
        where {OURS}
        union all
        select 'schema ' || n.nspname, n.nspname, o.rolname, 'alter schema ' || quote_ident(n.nspname) || ' owner to '
        from pg_namespace as n join pg_roles as o on o.oid = n.nspowner where n.nspname <> 'public'
    ) as found
    where %(owners)s::jsonb ? found.nspname and %(owners)s::jsonb ->> found.nspname <> found.owner
"""
EVENT_TRIGGERS = """
    select 'event trigger ' || e.evtname as object, e.evtevent as event, e.evtfoid::regprocedure::text as function,
        'drop event trigger ' || quote_ident(e.evtname) || ';' as gone
    from pg_event_trigger as e
    where not exists (select from pg_depend as d
        where d.classid = 'pg_event_trigger'::regclass and d.objid = e.oid and d.deptype = 'e')
        -- Ours, which records who changes what.
        and e.evtfoid is distinct from to_regprocedure('private.tg_ddl__record()')
        -- Supabase's own, which tell PostgREST of a change and give its extensions their rights.
        and e.evtname !~ '^(pgrst_(ddl|drop)_watch|issue_(pg_cron|pg_net|pg_graphql)_access|issue_graphql_placeholder)$'
"""

RULES = (
    Rule(
        "definer-path",
        Severity.high,
        "a function with its owner's privileges that looks names up where others can put something",
        "{what}, with its owner's privileges",
        "alter function {name} set search_path = '';",
        DEFINER_PATH,
        ("splinter 0011_function_search_path_mutable", "CIS PostgreSQL 4.5"),
    ),
    Rule(
        "function-path",
        Severity.low,
        "a function of ours that doesn't pin where it looks names up",
        "it looks names up where its caller says",
        "alter function {name} set search_path = '';",
        ANY_PATH,
        ("splinter 0011_function_search_path_mutable",),
    ),
    Rule(
        "definer-open",
        Severity.critical,
        "a function with its owner's privileges that everybody or, undeclared, visitors may run",
        "{role} may run it, with its owner's privileges",
        "{revoke}",
        DEFINER_OPEN,
        ("CIS PostgreSQL 4.5",),
    ),
    Rule(
        "definer-exposed",
        Severity.medium,
        "a function with its owner's privileges in an exposed schema that visitors or people may run",
        "{roles} may call it by name, with its owner's privileges",
        "move {name} to schema private, and call it from a plain function",
        DEFINER_EXPOSED,
        (
            "splinter 0028_anon_security_definer_function_executable",
            "splinter 0029_authenticated_security_definer_function_executable",
            "CIS PostgreSQL 4.5",
        ),
    ),
    Rule(
        "definer-superuser",
        Severity.critical,
        "a function with the privileges of a superuser",
        "it runs as {owner}, a superuser",
        "alter function {name} owner to app_owner;",
        DEFINER_SUPERUSER,
        ("CIS PostgreSQL 4.5",),
    ),
    Rule(
        "language-untrusted",
        Severity.high,
        "a language, or a function in one, that can do on the server what it likes",
        "{language} can reach files and network as the server's account",
        "drop it, and the extension of the language",
        UNTRUSTED,
        ("CIS PostgreSQL 4.5",),
    ),
    Rule(
        "function-leakproof",
        Severity.medium,
        "a function of ours that is marked leakproof",
        "it may be run on rows that a policy hides",
        "alter function {name} not leakproof;",
        LEAKPROOF,
        ("CIS PostgreSQL 4.7",),
    ),
    Rule(
        "owner-unexpected",
        Severity.medium,
        "a schema, table or function in a schema of ours that belongs to somebody else",
        "it belongs to {owner}",
        "{repair}the declared owner;",
        OWNERS,
        ("CIS PostgreSQL 4.6",),
    ),
    Rule(
        "event-trigger",
        Severity.medium,
        "an event trigger that isn't the platform's",
        "it runs {function} on each {event}, as the user who makes the change",
        "{gone}",
        EVENT_TRIGGERS,
        ("CIS PostgreSQL 4.5",),
    ),
)

"""Rules on grants: whatever is granted and not declared, on any kind of object."""

from collections.abc import Iterator, Mapping
from typing import Any

from declared.privileges import GRANTABLE
from ops.audit.declared import Grant
from ops.audit.model import Audited, Row, Rule, Severity
from ops.audit.roles import PROVIDERS

CLIENTS = ("anon", "authenticated")
# Every entry of every access list, but the owner's own and what superusers were given, which changes nothing.
# Where there is no list, the server's defaults count; the system's own objects have one only where they aren't those.
ENTRIES = f"""
    with lists (kind, name, shown, class, oid, sub, owner, acl, space) as (
        select case when c.relkind = 'S' then 'sequence' else 'table' end, c.oid::regclass::text, null,
            'pg_class'::regclass, c.oid, 0, c.relowner, c.relacl, c.relnamespace
        from pg_class as c where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        union all
        select 'table', c.oid::regclass::text, null, 'pg_class'::regclass, c.oid, a.attnum, c.relowner, a.attacl,
            c.relnamespace
        from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        where a.attacl is not null and a.attnum > 0 and not a.attisdropped
        union all
        select 'function', p.oid::regprocedure::text, null, 'pg_proc'::regclass, p.oid, 0, p.proowner,
            case when p.proacl is not null or p.oid < 16384 then p.proacl else acldefault('f', p.proowner) end,
            p.pronamespace
        from pg_proc as p where p.proacl is not null or p.oid >= 16384
        union all
        select 'schema', n.nspname, null, 'pg_namespace'::regclass, n.oid, 0, n.nspowner, n.nspacl, n.oid
        from pg_namespace as n
        union all
        select 'type', t.oid::regtype::text, null, 'pg_type'::regclass, t.oid, 0, t.typowner,
            case when t.typacl is not null or t.oid < 16384 then t.typacl else acldefault('T', t.typowner) end,
            t.typnamespace
        from pg_type as t
        -- A table's row type and an array go with their table and element.
        where t.typacl is not null or (t.oid >= 16384 and t.typtype in ('d', 'e', 'r', 'b') and t.typelem = 0)
        union all
        select 'database', '', d.datname, 'pg_database'::regclass, d.oid, 0, d.datdba,
            coalesce(d.datacl, acldefault('d', d.datdba)), 0
        from pg_database as d where d.datname = current_database()
        union all
        select 'language', l.lanname, null, 'pg_language'::regclass, l.oid, 0, l.lanowner, l.lanacl, 0
        from pg_language as l
        union all
        select 'large object', m.oid::text, null, 'pg_largeobject'::regclass, m.oid, 0, m.lomowner, m.lomacl, 0
        from pg_largeobject_metadata as m
        union all
        select 'foreign data wrapper', w.fdwname, null, 'pg_foreign_data_wrapper'::regclass, w.oid, 0, w.fdwowner,
            w.fdwacl, 0
        from pg_foreign_data_wrapper as w
        union all
        select 'foreign server', s.srvname, null, 'pg_foreign_server'::regclass, s.oid, 0, s.srvowner, s.srvacl, 0
        from pg_foreign_server as s
        union all
        select 'tablespace', s.spcname, null, 'pg_tablespace'::regclass, s.oid, 0, s.spcowner, s.spcacl, 0
        from pg_tablespace as s
        union all
        select 'parameter', p.parname, null, 'pg_parameter_acl'::regclass, p.oid, 0, 10, p.paracl, 0
        from pg_parameter_acl as p
    )

    select l.kind, l.name, coalesce(l.shown, l.name) as shown, coalesce(r.rolname, 'public')::text as role,
        lower(e.privilege_type) || case when e.is_grantable then ' with grant option' else '' end as word,
        coalesce(a.attname, '')::text as column,
        case when r.rolname is null then 'public' else quote_ident(r.rolname) end as grantee,
        n.nspname::text as schema, o.rolname::text as owned_by
    from lists as l
    cross join aclexplode(l.acl) as e
    left join pg_roles as r on r.oid = e.grantee
    left join pg_namespace as n on n.oid = l.space
    left join pg_roles as o on o.oid = l.owner
    left join pg_attribute as a on l.sub > 0 and a.attrelid = l.oid and a.attnum = l.sub
    where e.grantee <> l.owner and not coalesce(r.rolsuper, false)
        -- As the server or an extension made it.
        and (n.nspname = 'public' or not exists (
            select from pg_init_privs as i cross join aclexplode(i.initprivs) as x
            where i.classoid = l.class and i.objoid = l.oid and i.objsubid = l.sub
                and x.grantee = e.grantee and x.privilege_type = e.privilege_type and x.is_grantable = e.is_grantable))
        -- What a platform lets its own roles set for their sessions.
        and not (l.kind = 'parameter' and r.oid >= 16384 and r.rolname ~ {PROVIDERS})
        and not (e.grantee = 0 and e.privilege_type in ('SELECT', 'USAGE')
            and (l.kind = 'language' or n.nspname is not distinct from 'information_schema'))
        and not (e.grantee = 0 and e.privilege_type in ('EXECUTE', 'USAGE') and exists (
            select from pg_depend as d where d.classid = l.class and d.objid = l.oid and d.deptype = 'e'))
    order by 1, 2, 4, 5, 6
"""
NAMES = """
    -- An argument's type in a schema that isn't there is an error and not a null.
    select 'function' as kind, f as name,
        case when not exists (
            select from regexp_matches(f, '([a-z_]+)[.]', 'g') as s (part) where to_regnamespace(s.part[1]) is null
        ) then to_regprocedure(f)::text end as there
    from unnest(%(functions)s::text[]) as f
    union all
    select 'table', t, to_regclass(t)::text from unnest(%(tables)s::text[]) as t
    union all
    select 'schema', s, to_regnamespace(s)::text from unnest(%(known_schemas)s::text[]) as s
"""


def _names(audited: Audited) -> dict[tuple[str, str], str | None]:
    """Declared name → PostgreSQL's own spelling of it; None for what isn't there."""
    return {(row["kind"], row["name"]): row["there"] for row in audited.rows(NAMES)}


def undeclared(audited: Audited) -> Iterator[Row]:
    """Every entry of an access list that no grant of ours accounts for."""
    names = _names(audited)
    declared: set[Grant] = {
        (kind, names.get((kind, name), name) or name, role, word, column)
        for kind, name, role, word, column in audited.declared.entries
    }
    ours = {(kind, name) for kind, name, *_ in declared}
    for row in audited.rows(ENTRIES):
        plain = row["word"].removesuffix(GRANTABLE)
        if (row["kind"], row["name"], row["role"], row["word"], row["column"]) in declared:
            continue
        # What the platform's own service brings along is granted by it; row security is looked at all the same.
        brought = row["schema"] in audited.declared.parameters["platform"] and (row["kind"], row["name"]) not in ours
        yield {
            "object": f"{row['kind']} {row['shown']}{'.' + row['column'] if row['column'] else ''}",
            "severity": "info"
            if brought and row["owned_by"] == "supabase_storage_admin" and not _unbound(row, plain)
            else None,
            "role": row["role"],
            "word": row["word"],
            "revoke": _revoke(row, plain),
        }


def _unbound(row: Mapping[str, Any], word: str) -> bool:
    """Whether a client has a privilege that row security doesn't bind; of the others such a table shows nothing."""
    return row["kind"] == "table" and row["role"] in CLIENTS and word in ("truncate", "references", "trigger")


def _revoke(row: Mapping[str, Any], word: str) -> str:
    kind = {"table": "table", "function": "routine", "foreign server": "foreign server"}.get(row["kind"], row["kind"])
    columns = f" ({row['column']})" if row["column"] else ""
    return f"revoke {word}{columns} on {kind} {row['shown']} from {row['grantee']};"


def missing(audited: Audited) -> Iterator[Row]:
    """Whatever grants are declared on and isn't there: a database without it has nothing to find, and isn't clean."""
    for (kind, name), there in _names(audited).items():
        if there is None:
            yield {"object": f"{kind} {name}"}


# New objects: what the server's own defaults and what anybody set give away at once.
DEFAULTS_OPEN = """
    with kinds (code, word) as (values ('f', 'functions'), ('T', 'types')),

    makers as (
        select oid, rolname from pg_roles
        where rolname = %(owner)s or rolname = session_user
    )

    select 'new ' || k.word || ' of ' || m.rolname as object, quote_ident(m.rolname) as maker, k.word,
        case k.code when 'f' then 'execute' else 'usage' end as privilege
    from makers as m cross join kinds as k
    where not exists (
        select from pg_default_acl as d
        where d.defaclrole = m.oid and d.defaclnamespace = 0 and d.defaclobjtype = k.code::"char"
            and not exists (select from aclexplode(d.defaclacl) as e where e.grantee = 0)
    )
"""
# In schema extensions new functions and types are everybody's: an extension's operators need them.
DEFAULTS_GIVEN = """
    select 'new ' || case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
            when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end || ' of ' || o.rolname
            || coalesce(' in ' || n.nspname, '') as object,
        lower(e.privilege_type) as word, coalesce(r.rolname, 'public') as role,
        'alter default privileges for role ' || quote_ident(o.rolname)
        || coalesce(' in schema ' || quote_ident(n.nspname), '') || ' revoke ' || lower(e.privilege_type) || ' on '
        || case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
            when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end
        || ' from ' || coalesce(quote_ident(r.rolname), 'public') || ';' as revoke
    from pg_default_acl as d
    cross join aclexplode(d.defaclacl) as e
    join pg_roles as o on o.oid = d.defaclrole
    left join pg_namespace as n on n.oid = d.defaclnamespace
    left join pg_roles as r on r.oid = e.grantee
    where e.grantee <> d.defaclrole and not coalesce(r.rolsuper, false)
        and not (coalesce(n.nspname, '') = 'extensions' and e.grantee = 0 and d.defaclobjtype in ('f', 'T'))
        -- PUBLIC's share in an entry for all schemas is reported by the rule on the server's own defaults.
        and not (d.defaclnamespace = 0 and e.grantee = 0 and d.defaclobjtype in ('f', 'T'))
    order by 1, 2, 3
"""

RULES = (
    Rule(
        "grant-undeclared",
        Severity.high,
        "a privilege on any object that the declaration doesn't have",
        "{role} has {word}, which declared/grants.py doesn't declare",
        "{revoke}",
        undeclared,
        ("CIS PostgreSQL 4.6",),
    ),
    Rule(
        "declared-missing",
        Severity.high,
        "an object that grants are declared on and that isn't there",
        "it is declared and isn't there: is this the right database, and was `make up` run?",
        "make up",
        missing,
    ),
    Rule(
        "default-privileges-open",
        Severity.medium,
        "new functions or types that everybody may use as soon as they are made",
        "PostgreSQL gives everybody {privilege} on each new one",
        "alter default privileges for role {maker} revoke {privilege} on {word} from public;",
        DEFAULTS_OPEN,
        ("CIS PostgreSQL 4.6",),
    ),
    Rule(
        "default-privileges-given",
        Severity.high,
        "a default that gives privileges on every new object",
        "{role} gets {word} on each new one",
        "{revoke}",
        DEFAULTS_GIVEN,
        ("CIS PostgreSQL 4.6",),
    ),
)

"""What a grant is on: the objects with their access lists, as the catalogue has them, and as statements name them."""

from typing import Any

from psycopg import sql

from local.standins.postgresql.connection import Connection, rows

_RELATIONS = """
    select c.relname::text, coalesce(c.relacl, acldefault({default}, c.relowner)) from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %(schema)s and c.relkind in ({kinds})
        and (%(objects)s::text[] = '{{}}' or c.relname = any(%(objects)s::text[]))
"""

_ROUTINES = """
    select p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)) from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = %(schema)s and p.prokind in ({kinds})
        and (%(objects)s::text[] = '{{}}' or p.proname = any(%(objects)s::text[]) or p.oid in ({signatures}))
"""

# An object may be written with its argument types: the server itself reads these.
_SIGNATURES = """
    select to_regprocedure(
        quote_ident(%(schema)s) || '.' || quote_ident(split_part(o, '(', 1)) || substr(o, strpos(o, '('))
    )::oid
    from unnest(%(objects)s::text[]) o where strpos(o, '(') > 0
"""

_ARGUMENTS = f"""
    select array(
        select array[n.nspname::text, t.typname::text]
        from unnest(p.proargtypes) with ordinality a (type, place)
        join pg_catalog.pg_type t on t.oid = a.type join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        order by a.place
    )
    from pg_catalog.pg_proc p where p.oid in ({_SIGNATURES})
"""


def _routines(kinds: str) -> str:
    return _ROUTINES.format(kinds=kinds, signatures=_SIGNATURES)


TARGETS = {
    "database": """
        select datname::text, coalesce(datacl, acldefault('d', datdba)) from pg_catalog.pg_database
        where datname = %(database)s
    """,
    "schema": """
        select nspname::text, coalesce(nspacl, acldefault('n', nspowner)) from pg_catalog.pg_namespace
        where nspname = %(schema)s
    """,
    "table": _RELATIONS.format(default="'r'", kinds="'r', 'p', 'v', 'm', 'f'"),
    "sequence": _RELATIONS.format(default="'s'", kinds="'S'"),
    "function": _routines("'f', 'a', 'w'"),
    "procedure": _routines("'p'"),
    "routine": _routines("'f', 'a', 'w', 'p'"),
    "column": """
        select a.attname::text, a.attacl from pg_catalog.pg_attribute a
        join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = %(schema)s and c.relname = any(%(objects)s::text[])
            and a.attname = any(%(columns)s::text[]) and a.attnum > 0 and not a.attisdropped
    """,
    "foreign_data_wrapper": """
        select fdwname::text, coalesce(fdwacl, acldefault('F', fdwowner)) from pg_catalog.pg_foreign_data_wrapper
        where fdwname = any(%(objects)s::text[])
    """,
    "foreign_server": """
        select srvname::text, coalesce(srvacl, acldefault('S', srvowner)) from pg_catalog.pg_foreign_server
        where srvname = any(%(objects)s::text[])
    """,
}

HELD = """
    select t.name, a.privilege_type::text, a.is_grantable
    from ({targets}) t (name, acl)
    left join lateral aclexplode(t.acl) a on a.grantee = case
        when %(role)s = 'public' then 0::oid else (select oid from pg_catalog.pg_roles where rolname = %(role)s)
    end
    order by t.name
"""

OWNERS = """
    select distinct case
        when r.rolname = 'pg_database_owner'
        then (select pg_get_userbyid(datdba) from pg_catalog.pg_database where datname = current_database())
        else r.rolname
    end::text
    from pg_catalog.pg_namespace n
    left join pg_catalog.pg_class c on c.relnamespace = n.oid and %(objectType)s <> 'schema'
    join pg_catalog.pg_roles r on r.oid in (n.nspowner, c.relowner)
    where n.nspname = %(schema)s
"""

Held = dict[str, dict[str, bool]]


def arguments(grant: dict[str, Any]) -> dict[str, Any]:
    """The values of the queries above."""
    blank = {"schema": "", "objects": [], "columns": []}
    return {name: grant.get(name) or blank.get(name) for name in ("role", "database", "objectType", *blank)}


async def held(connection: Connection, grant: dict[str, Any]) -> Held:
    """Per object of the grant: the privileges that the role holds, and whether it may hand them on."""
    found: Held = {}
    query = HELD.format(targets=TARGETS[grant["objectType"]])
    for name, privilege, grantable in await rows(connection, query, arguments(grant)):
        of_object = found.setdefault(name, {})
        if privilege is not None:
            of_object[privilege] = grantable
    return found


async def owners(connection: Connection, grant: dict[str, Any]) -> list[str]:
    """Who owns what the grant is on, as far as it lies in a schema."""
    return [name for (name,) in await rows(connection, OWNERS, arguments(grant))] if grant.get("schema") else []


async def clause(connection: Connection, grant: dict[str, Any]) -> sql.Composed:
    """What follows `on` in the statement."""
    kind, objects = grant["objectType"], grant.get("objects") or []
    if kind in ("database", "schema"):
        return sql.SQL(kind + " {}").format(sql.Identifier(grant[kind]))
    if kind.startswith("foreign_"):
        return sql.SQL(kind.replace("_", " ") + " {}").format(sql.Identifier(objects[0]))
    if not objects:
        return sql.SQL("all " + kind + "s in schema {}").format(sql.Identifier(grant["schema"]))
    named = [await _named(connection, grant["schema"], name) for name in objects]
    return sql.SQL("table " if kind == "column" else kind + " ") + sql.SQL(", ").join(named)


async def _named(connection: Connection, schema: str, name: str) -> sql.Composable:
    bare, bracket, _ = name.partition("(")
    identifier = sql.Identifier(schema, bare)
    if not bracket:
        return identifier
    found = await rows(connection, _ARGUMENTS, {"schema": schema, "objects": [name]})
    types = [sql.Identifier(*pair) for pair in found[0][0]] if found else []
    return sql.SQL("{}({})").format(identifier, sql.SQL(", ").join(types))

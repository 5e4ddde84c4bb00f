"""Statements for the privileges on what has no list of them in the facts, so that it is as closed elsewhere."""

import re

from declared.privileges import COLUMN
from ops.adopt.found import Found
from provider.connection import Connection, rows

# To each of them an object is open by default: PostgreSQL's default, or that of a platform.
OPENED_TO = ("anon", "authenticated", "service_role")
# A column of any name, which a list may not have. What others than the owner granted can't be granted in their name.
ACCESS = """
with object as (
  select 'routine' as word, p.oid::pg_catalog.regprocedure::text as key, p.oid::pg_catalog.regprocedure::text as name,
         null as "column", p.proowner as owner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) as acl
    from pg_catalog.pg_proc p
  union all
  select case c.relkind when 'S' then 'sequence' else 'table' end, n.nspname || '.' || c.relname,
         c.oid::pg_catalog.regclass::text, null, c.relowner, coalesce(c.relacl, pg_catalog.acldefault(
             case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  union all
  select 'table', n.nspname || '.' || c.relname, c.oid::pg_catalog.regclass::text,
         pg_catalog.quote_ident(a.attname), c.relowner, a.attacl
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where a.attacl is not null and not a.attisdropped
  union all
  select 'schema', nspname, pg_catalog.quote_ident(nspname), null, nspowner,
         coalesce(nspacl, pg_catalog.acldefault('n', nspowner)) from pg_catalog.pg_namespace
  union all
  select 'type', pg_catalog.format('%%I.%%I', n.nspname, t.typname),
         pg_catalog.format('%%I.%%I', n.nspname, t.typname), null, t.typowner, t.typacl
    from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace where t.typacl is not null
)
select o.word, o.name, pg_catalog.lower(e.privilege_type) || coalesce(' (' || o."column" || ')', '') as privilege,
       case when e.grantee = 0 then 'public' else pg_catalog.quote_ident(r.rolname) end as role,
       case when e.is_grantable then ' with grant option' else '' end as rest
  from rows from (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) as u (word, key)
  join object o on o.word = u.word and o.key = u.key
  left join lateral pg_catalog.aclexplode(case when pg_catalog.cardinality(o.acl) > 0 then o.acl end) e
    on e.grantee <> o.owner and e.grantor = o.owner
  left join pg_catalog.pg_roles r on r.oid = e.grantee
 order by 1, 2, o."column" nulls first, 3, 4"""
TYPES = """
select pg_catalog.format('%%I.%%I', n.nspname, t.typname) as name
  from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
 where n.nspname = any(%s) and t.typacl is not null and not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_type'::regclass and d.objid = t.oid and d.deptype = 'e') order by 1"""
# A name that a list of privileges can't hold: it would be read as two, or as another one.
COLUMNS = """
select n.nspname || '.' || c.relname as table, a.attname::text as column
  from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any(%s) and a.attacl is not null and not a.attisdropped order by 1, 2"""


async def statements(connection: Connection, found: Found) -> list[str]:
    """What closes each object without a list to everybody, and grants what its owner has granted on it."""
    types = [("type", each["name"]) for each in await rows(connection, TYPES, [[*found.schemas]])]
    unlisted = [*found.unlisted, *types]
    there = {role["name"] for role in found.roles} | found.platform.roles
    closed_to = ", ".join(["public", *(role for role in OPENED_TO if role in there)])
    words, names = [word for word, _ in unlisted], [name for _, name in unlisted]
    made: dict[str, None] = {}
    for each in await rows(connection, ACCESS, [words, names]):
        object = f"{each['word']} {each['name']}"
        made[f"revoke all on {object} from {closed_to};"] = None
        if each["role"] is not None:
            made[f"grant {each['privilege']} on {object} to {each['role']}{each['rest']};"] = None
    return [*made]


async def unwritable_columns(connection: Connection, found: Found) -> dict[str, str]:
    """Table to a column on which something is granted and whose name a list of privileges can't hold."""
    there = await rows(connection, COLUMNS, [[*found.schemas]])
    return {each["table"]: each["column"] for each in there if not re.fullmatch(COLUMN, each["column"])}

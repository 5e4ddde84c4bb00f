"""What a live database has: each object as the type of the provider that will hold it finds it."""

from collections.abc import Iterable, Mapping
from typing import Any

from declared.adopted import ENABLED, FORCED, OPEN
from declared.platform import RECOGNISED, recognised
from declared.schemas import HISTORY_SCHEMA
from declared.sqlfiles import LONGEST_NAME
from ops.adopt import access, unwritten
from ops.adopt.found import LEFT, Found
from provider.connection import Connection, rows
from provider.resources.base import ObjectKind
from provider.resources.bucket import Bucket
from provider.resources.functiongrants import FunctionGrants
from provider.resources.grants import GRANTED_BY, Grants
from provider.resources.policy import Policy
from provider.resources.publication import Publication
from provider.resources.schema import Schema
from provider.snapshots import left_open
from provider.steps.history import identity

LOGIN = "select rolname::text as name, rolsuper as super from pg_catalog.pg_roles where rolname = current_user"
SCHEMAS = """
select n.nspname::text as name, pg_catalog.pg_get_userbyid(n.nspowner)::text as owner
  from pg_catalog.pg_namespace n
 where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', %s) and not exists (
       select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
 order by 1"""
# An extension's own schema, with what isn't the extension's in it.
SCHEMAS_OF_EXTENSIONS = """
select n.nspname::text as name, e.extname::text as extension, exists (
       select from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
          and not exists (select from pg_catalog.pg_depend m
               where m.classid = 'pg_catalog.pg_class'::regclass and m.objid = c.oid and m.deptype = 'e')
       union all
       select from pg_catalog.pg_proc p where p.pronamespace = n.oid
          and not exists (select from pg_catalog.pg_depend m
               where m.classid = 'pg_catalog.pg_proc'::regclass and m.objid = p.oid and m.deptype = 'e')) as filled
  from pg_catalog.pg_namespace n join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e'
  join pg_catalog.pg_extension e on d.refclassid = 'pg_catalog.pg_extension'::regclass and e.oid = d.refobjid
 where n.nspname !~ '^pg_' order by 1"""
EXTENSIONS = """select e.extname::text as name, n.nspname::text as schema
                  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
                 where e.extname <> 'plpgsql' order by 1"""
NOT_OF_AN_EXTENSION = """not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"""
RELATIONS = f"""
select n.nspname || '.' || c.relname as name, c.relkind::text as kind, c.relrowsecurity as enabled,
       c.relforcerowsecurity as forced
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any(%s) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and {NOT_OF_AN_EXTENSION} order by 1"""
POLICIES = f"""
select n.nspname || '.' || c.relname as table, p.polname::text as name,
       pg_catalog.format('%%I', p.polname) as "quotedName",
       pg_catalog.format('%%I.%%I', n.nspname, c.relname) as "quotedTable",
       case when p.polroles = '{{0}}' then array['public'] else
            array(select pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r)) from pg_catalog.unnest(p.polroles) r
                   order by 1) end as "quotedRoles"
  from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where not n.nspname = any(%s) and {NOT_OF_AN_EXTENSION} order by 1, 2"""
# A partition's trigger follows from its table's, and what a platform has made runs a function of the table's schema.
TRIGGERS = """
select t.tgname::text as name, tn.nspname::text as schema, t.tgenabled::text as state,
       pg_catalog.format('%%I', t.tgname) as "quotedName", pg_catalog.format('%%I.%%I', tn.nspname, c.relname) as table,
       pg_catalog.pg_get_triggerdef(t.oid) as text, pg_catalog.obj_description(t.oid, 'pg_trigger') as comment
  from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid
  join pg_catalog.pg_namespace tn on tn.oid = c.relnamespace
  join pg_catalog.pg_proc f on f.oid = t.tgfoid join pg_catalog.pg_namespace fn on fn.oid = f.pronamespace
 where not t.tgisinternal and t.tgparentid = 0 and not tn.nspname = any(%(ours)s) and fn.oid <> tn.oid
   and not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_trigger'::regclass and d.objid = t.oid and d.deptype = 'e')
 order by 2, 1"""
JOBS = """select jobname::text as jobname, schedule, command, active, database, username,
                 database = pg_catalog.current_database() and username = current_user as ours
            from cron.job order by jobid"""
# What a query that is dumped without its rows has been filled with.
FILLED = """
select pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any(%s) and c.relkind = 'm' and c.relispopulated order by 1"""
BUCKETS = """
select pg_catalog.count(*) = 4 as yes from pg_catalog.pg_attribute a
 where a.attrelid = pg_catalog.to_regclass('storage.buckets') and not a.attisdropped
   and a.attname in ('id', 'public', 'file_size_limit', 'allowed_mime_types')"""
# With what the text of a published table and its columns can't tell apart.
PUBLICATIONS = """
select p.pubname::text as name, pg_catalog.pg_get_userbyid(p.pubowner)::text as owner, (
         select pg_catalog.min(pg_catalog.quote_ident(name)) from pg_catalog.pg_publication_rel r
           join pg_catalog.pg_class c on c.oid = r.prrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          cross join lateral (
             select c.relname::text union all select n.nspname::text union all
             select a.attname::text from pg_catalog.pg_attribute a
              where a.attrelid = c.oid and a.attnum = any (r.prattrs::int2[])) as one (name)
          where r.prpubid = p.oid and name ~ '[(),]| where |^ | $') as odd
  from pg_catalog.pg_publication p order by 1"""
# Of other roles than the platform's those that own something here or that something is granted to, and those that are
# in one of these or in the platform's, or have such a one in them.
ROLES = """
with recursive role as (
  select oid, rolname, rolname ~ %(platform)s as theirs from pg_catalog.pg_roles
   where not rolsuper and rolname !~ '^pg_'),
near (oid) as (
  select r.oid from role r where r.theirs or exists (
       select from pg_catalog.pg_shdepend d where d.refclassid = 'pg_catalog.pg_authid'::regclass and d.refobjid = r.oid
          and d.dbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
  union
  select r.oid from near n join pg_catalog.pg_auth_members m on n.oid in (m.roleid, m.member)
    join role r on r.oid in (m.roleid, m.member))
select r.rolname::text as name, pg_catalog.quote_ident(r.rolname) as quoted,
       pg_catalog.concat_ws(' ', case when r.rolcanlogin then 'login' else 'nologin' end,
           case when not r.rolinherit then 'noinherit' end, case when r.rolbypassrls then 'bypassrls' end) as words
  from near n join role a using (oid) join pg_catalog.pg_roles r using (oid) where not a.theirs order by 1"""

UNLISTED = "the baseline grants what the owner has granted, and nothing more"
OWN = f"the schema is the extension's own; {LEFT}"


class _Reader:
    def __init__(self, connection: Connection, found: Found) -> None:
        self.connection, self.found = connection, found

    async def one(self, kind: ObjectKind, /, **identity: Any) -> dict[str, Any] | None:
        """An object's properties, but for those that are as they are by default; None where it can't be declared."""
        there = await kind.find(self.connection, identity)
        if there is None:
            return None
        defaults = {name: each.default for name, each in kind.fields.items()}
        given = {name: there[name] for name in kind.fields if there.get(name) is not None}
        failures = kind.validate({name: value for name, value in defaults.items() if value is not None} | given)
        if isinstance(kind, Grants | FunctionGrants):
            name = given.get("name")
            if granted := _granted_on({name: given["grants"]} if name else given["functions"]):
                self.unlisted(kind, given, f"somebody else than the owner has granted on {granted}")
                return None
            if failures:
                self.unlisted(kind, given, failures[0].reason)
                return None
        if failures:
            self.found.left.append(f"{kind.label(given)}: {failures[0].reason}")
            return None
        return {name: value for name, value in given.items() if value != defaults[name]}

    def unlisted(self, kind: ObjectKind, given: Mapping[str, Any], reason: str) -> None:
        """Leave a list out of the facts: the baseline grants what the owner has granted."""
        named = [("routine", name) for name in given["functions"]] if "functions" in given else None
        self.found.unlisted += named or [(given["kind"], given["name"])]
        self.found.left.append(f"{kind.label(given)}: {reason}; {UNLISTED}")

    async def grants(self, kind: str, names: Iterable[str]) -> dict[str, Any]:
        found = {}
        odd = await access.unwritable_columns(self.connection, self.found) if kind == "table" else {}
        for name in names:
            if name in odd:
                reason = f"the name of column {odd[name]!r} can't be in a list of privileges"
                self.unlisted(Grants(), {"kind": kind, "name": name}, reason)
            elif (one := await self.one(Grants(), kind=kind, name=name)) is not None:
                found[name] = one["grants"]
        return found

    async def functions(self, schema: str) -> dict[str, Any]:
        one = await self.one(FunctionGrants(), schema=schema)
        return one["functions"] if one else {}


def _granted_on(lists: Mapping[str, Any]) -> str | None:
    """The first of a list's names on which somebody else than the owner has granted."""
    return next((name for name, entries in lists.items() if GRANTED_BY in str(entries)), None)


async def read(connection: Connection) -> Found:
    """What the login of a session sees of its database, in one transaction that writes nothing."""
    platform = recognised(each["rolname"] for each in await rows(connection, RECOGNISED, []))
    (login,) = await rows(connection, LOGIN, [])
    found = Found(await identity(connection), login["name"], platform, login["super"])
    reader = _Reader(connection, found)
    await _schemas(reader)
    await _extensions(reader)
    theirs = f"^({platform.all_roles})$" if platform.name else "^$"
    found.roles = await rows(connection, ROLES, {"platform": theirs})
    await _relations(reader)
    found.partitions = await left_open(connection, list(found.schemas))
    await _policies(reader)
    for schema in found.schemas:
        found.functions |= await reader.functions(schema)
    found.filled = [each["name"] for each in await rows(connection, FILLED, [list(found.schemas)])]
    await _triggers(reader)
    await _rest(reader)
    found.access = await access.statements(connection, found)
    found.left += await unwritten.unwritten(connection, found)
    return found


async def _schemas(reader: _Reader) -> None:
    found = reader.found
    for each in await rows(reader.connection, SCHEMAS, [HISTORY_SCHEMA]):
        name, owner = each["name"], each["owner"]
        if "." in name:
            # What is in it would be named as of another schema.
            found.left.append(f"schema {name}, with all that is in it: its name has a dot")
            found.left_schemas.append(name)
            continue
        if name != "public" and (name in found.platform.schemas or found.is_of_platform(owner)):
            found.theirs.add(name)
        elif one := await reader.one(Schema(), name=name):
            # Elsewhere a superuser may have another name. `public` is there before the baseline.
            as_made = name == "public" or (owner == found.login and found.is_superuser)
            found.schemas[name] = {} if as_made else {key: value for key, value in one.items() if key != "name"}
            if name == "public":
                found.owner_of_public = owner
    for each in await rows(reader.connection, SCHEMAS_OF_EXTENSIONS, []):
        if each["filled"]:
            found.left.append(f"schema {each['name']}, with what isn't extension {each['extension']}'s in it: {OWN}")
        if not found.platform.name:
            found.left_schemas.append(each["name"])
    found.schema_grants = await reader.grants("schema", found.schemas)


async def _extensions(reader: _Reader) -> None:
    found = reader.found
    for each in await rows(reader.connection, EXTENSIONS, []):
        name, schema = each["name"], each["schema"]
        if schema not in found.path_of_extensions and schema != "pg_catalog":
            found.path_of_extensions.append(schema)
        # The platform's own, by name or in a schema that it keeps for them.
        if name in found.platform.extensions or schema in found.theirs - {"extensions"}:
            continue
        if schema == "pg_catalog" or schema in found.schemas.keys() | found.theirs:
            found.extensions[name] = schema
        else:
            found.left.append(f"extension {name}: its schema {schema} is left; {LEFT}")


async def _triggers(reader: _Reader) -> None:
    """Those on tables of the platform; the tables of any other schema aren't there elsewhere."""
    found = reader.found
    for each in await rows(reader.connection, TRIGGERS, {"ours": list(found.schemas)}):
        if each["schema"] in found.theirs:
            found.triggers.append(each)
        else:
            found.left.append(f"trigger {each['name']} on {each['table']}: schema {each['schema']} is left; {LEFT}")


async def _relations(reader: _Reader) -> None:
    found = reader.found
    relations = await rows(reader.connection, RELATIONS, [list(found.schemas)])
    for each in relations:
        if each["kind"] in "rp":
            on = FORCED if each["forced"] else ENABLED
            found.row_security[each["name"]] = on if each["enabled"] else OPEN
    found.tables = await reader.grants("table", [each["name"] for each in relations if each["kind"] != "S"])
    found.sequences = await reader.grants("sequence", [each["name"] for each in relations if each["kind"] == "S"])


async def _policies(reader: _Reader) -> None:
    found = reader.found
    for each in await rows(reader.connection, POLICIES, [[HISTORY_SCHEMA, *found.left_schemas]]):
        table = each["table"]
        one = None
        if "/" in table or table.startswith("."):
            found.left.append(f"policy {each['name']} on {table}: the table's name can't be a file's")
        elif len(each["name"].encode()) > LONGEST_NAME:
            # Of a server that counts the bytes of another encoding.
            found.left.append(f"policy {each['name']} on {table}: the name has more than {LONGEST_NAME} bytes in UTF-8")
        else:
            one = await reader.one(Policy(), table=table, name=each["name"])
        if one:
            found.policies.append({**each, **one})
        else:
            # The list of a table's policies would lack it.
            found.row_security.pop(table, None)


async def _rest(reader: _Reader) -> None:
    """Publications, buckets and cron jobs."""
    connection, found = reader.connection, reader.found
    for each in await rows(connection, PUBLICATIONS, []):
        if found.is_of_platform(each["owner"]):
            continue
        if each["odd"]:
            found.left.append(f"publication {each['name']}: the name {each['odd']} reads like a list; {LEFT}")
        elif one := await reader.one(Publication(), name=each["name"]):
            found.publications[each["name"]] = {"tables": []} | {k: v for k, v in one.items() if k != "name"}
    if await _has_buckets(connection):
        for each in await rows(connection, "select id from storage.buckets order by 1", []):
            if (one := await reader.one(Bucket(), bucket=each["id"])) is not None:
                found.buckets[each["id"]] = {k: v for k, v in one.items() if k != "bucket"}
    if "pg_cron" in found.extensions and await _is_there(connection, "cron.job"):
        _jobs(found, await rows(connection, JOBS, []))


def _jobs(found: Found, jobs: Iterable[dict[str, Any]]) -> None:
    """Take those that run here as the login itself: others are made by a superuser alone."""
    for each in jobs:
        if each["ours"]:
            found.jobs.append(each)
        else:
            name = each["jobname"] or f"{each['schedule']} {each['command']}"
            where = f"runs in database {each['database']} as role {each['username']}"
            found.left.append(f"cron job {name}: {where}; {LEFT}")


async def _has_buckets(connection: Connection) -> bool:
    """Whether there are Supabase's buckets, and not somebody's own table of that name."""
    (there,) = await rows(connection, BUCKETS, [])
    return bool(there["yes"])


async def _is_there(connection: Connection, table: str) -> bool:
    (there,) = await rows(connection, "select pg_catalog.to_regclass(%s) is not null as yes", [table])
    return bool(there["yes"])

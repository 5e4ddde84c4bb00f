"""What a live database has: each object as the type of the provider that will hold it finds it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from declared.adopted import ENABLED, FORCED, OPEN
from declared.platform import RECOGNISED, Platform, recognised
from declared.schemas import HISTORY_SCHEMA
from declared.sqlfiles import LONGEST_NAME
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

SCHEMAS = """
select n.nspname::text as name, pg_catalog.pg_get_userbyid(n.nspowner)::text as owner
  from pg_catalog.pg_namespace n
 where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', %s) and not exists (
       select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
 order by 1"""
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
 where n.nspname <> %s and {NOT_OF_AN_EXTENSION} order by 1, 2"""
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
PUBLICATIONS = """select pubname::text as name, pg_catalog.pg_get_userbyid(pubowner)::text as owner
                    from pg_catalog.pg_publication order by 1"""
# Of other roles than the platform's those that own something here or that something is granted to.
ROLES = """
select r.rolname::text as name, pg_catalog.quote_ident(r.rolname) as quoted,
       pg_catalog.concat_ws(' ', case when r.rolcanlogin then 'login' else 'nologin' end,
           case when not r.rolinherit then 'noinherit' end, case when r.rolbypassrls then 'bypassrls' end) as words
  from pg_catalog.pg_roles r
 where not r.rolsuper and r.rolname !~ '^pg_' and exists (
       select from pg_catalog.pg_shdepend d where d.refclassid = 'pg_catalog.pg_authid'::regclass and d.refobjid = r.oid
          and d.dbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
 order by 1"""

# What no file holds. Names alone: values and options may be secrets.
UNWRITTEN = """
select pg_catalog.concat('default privileges of role ', r.rolname, ' in schema ' || n.nspname) as name,
       r.rolname::text as owner
  from pg_catalog.pg_default_acl a join pg_catalog.pg_roles r on r.oid = a.defaclrole
  left join pg_catalog.pg_namespace n on n.oid = a.defaclnamespace
union
select 'event trigger ' || evtname, pg_catalog.pg_get_userbyid(evtowner)::text from pg_catalog.pg_event_trigger e
 where not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_event_trigger'::regclass and d.objid = e.oid and d.deptype = 'e')
union
select pg_catalog.concat('cast from ', c.castsource::pg_catalog.regtype, ' to ', c.casttarget::pg_catalog.regtype), ''
  from pg_catalog.pg_cast c where c.oid >= 16384 and not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_cast'::regclass and d.objid = c.oid and d.deptype in ('e', 'i'))
union
select 'language ' || l.lanname, pg_catalog.pg_get_userbyid(l.lanowner)::text
  from pg_catalog.pg_language l where l.oid >= 16384 and not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_language'::regclass and d.objid = l.oid and d.deptype = 'e')
union
select 'foreign data wrapper ' || w.fdwname, pg_catalog.pg_get_userbyid(w.fdwowner)::text
  from pg_catalog.pg_foreign_data_wrapper w where not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_foreign_data_wrapper'::regclass and d.objid = w.oid and d.deptype = 'e')
union
select 'subscription ' || s.subname, pg_catalog.pg_get_userbyid(s.subowner)::text
  from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid
 where d.datname = pg_catalog.current_database()
union
select 'foreign server ' || srvname, pg_catalog.pg_get_userbyid(srvowner)::text from pg_catalog.pg_foreign_server
union
select pg_catalog.concat('user mapping of ', m.usename, ' on server ', m.srvname),
       pg_catalog.pg_get_userbyid(s.srvowner)::text
  from pg_catalog.pg_user_mappings m join pg_catalog.pg_foreign_server s on s.oid = m.srvid
union
select pg_catalog.concat('setting ', pg_catalog.split_part(c, '=', 1), ' of ',
                         coalesce('role ' || r.rolname, 'the database')),
       coalesce(r.rolname, pg_catalog.pg_get_userbyid(d.datdba))::text
  from pg_catalog.pg_db_role_setting s cross join pg_catalog.unnest(s.setconfig) c
  join pg_catalog.pg_database d on d.datname = pg_catalog.current_database() and s.setdatabase in (0, d.oid)
  left join pg_catalog.pg_roles r on r.oid = s.setrole
 where s.setrole = 0 or r.rolname = any(%(roles)s)
union
select pg_catalog.concat('membership of role ', m.rolname, ' in ', g.rolname), m.rolname::text
  from pg_catalog.pg_auth_members a join pg_catalog.pg_roles m on m.oid = a.member
  join pg_catalog.pg_roles g on g.oid = a.roleid
 where m.rolname = any(%(roles)s)
union
select 'comment on publication ' || p.pubname, pg_catalog.pg_get_userbyid(p.pubowner)::text
  from pg_catalog.pg_publication p join pg_catalog.pg_description d
    on d.classoid = 'pg_catalog.pg_publication'::regclass and d.objoid = p.oid
union
select pg_catalog.concat(
           'revoke of ', pg_catalog.string_agg(pg_catalog.lower(d.privilege_type), ', ' order by d.privilege_type),
           ' on ', o.name, ' from its owner ', r.rolname), r.rolname::text
  from (select 'function ' || oid::pg_catalog.regprocedure as name, pronamespace as space, proowner as owner,
               'f'::"char" as kind, proacl as acl
          from pg_catalog.pg_proc
        union all
        select case relkind when 'S' then 'sequence ' else 'table ' end || oid::pg_catalog.regclass, relnamespace,
               relowner, case relkind when 'S' then 's' else 'r' end::"char", relacl
          from pg_catalog.pg_class where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        union all
        select 'schema ' || pg_catalog.quote_ident(nspname), oid, nspowner, 'n', nspacl from pg_catalog.pg_namespace) o
  join pg_catalog.pg_namespace n on n.oid = o.space join pg_catalog.pg_roles r on r.oid = o.owner
 cross join pg_catalog.aclexplode(pg_catalog.acldefault(o.kind, o.owner)) d
 where o.acl is not null and n.nspname = any(%(ours)s) and d.grantee = o.owner
   -- What came with PostgreSQL 17 is lacking wherever an owner's privileges were written out before.
   and d.privilege_type <> 'MAINTAIN' and not exists (
       select from pg_catalog.aclexplode(o.acl) a
        where a.grantee = o.owner and a.privilege_type = d.privilege_type)
 group by o.name, r.rolname
 order by 1"""

LEFT = "isn't in the files; make it wherever the baseline is run"


@dataclass
class Found:
    """What is to be declared of a database."""

    identity: str
    login: str
    platform: Platform
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)
    roles: list[dict[str, str]] = field(default_factory=list)
    row_security: dict[str, str] = field(default_factory=dict)
    partitions: dict[str, str] = field(default_factory=dict)
    """Those that stand open where their tables are closed, to in what."""
    policies: list[dict[str, Any]] = field(default_factory=list)
    schema_grants: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    sequences: dict[str, Any] = field(default_factory=dict)
    functions: dict[str, Any] = field(default_factory=dict)
    filled: list[str] = field(default_factory=list)
    """The materialized views that have rows, or had none to take."""
    path: list[str] = field(default_factory=list)
    """Where the login's sessions look for names without a schema."""
    publications: dict[str, Any] = field(default_factory=dict)
    buckets: dict[str, Any] = field(default_factory=dict)
    triggers: list[dict[str, str]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What can't be declared, with the reason."""


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
        if kind.list_field and GRANTED_BY in str(given[kind.list_field]):
            self.found.left.append(f"{kind.label(given)}: somebody else than the owner has granted on it")
            return None
        if failures:
            self.found.left.append(f"{kind.label(given)}: {failures[0].reason}")
            return None
        return {name: value for name, value in given.items() if value != defaults[name]}

    async def grants(self, kind: str, names: Iterable[str]) -> dict[str, Any]:
        found = {}
        for name in names:
            if (one := await self.one(Grants(), kind=kind, name=name)) is not None:
                found[name] = one["grants"]
        return found


async def read(connection: Connection) -> Found:
    """What the login of a session sees of its database, in one transaction that writes nothing."""
    platform = recognised(each["rolname"] for each in await rows(connection, RECOGNISED, []))
    (login,) = await rows(connection, "select current_user::text as name", [])
    found = Found(await identity(connection), login["name"], platform)
    reader = _Reader(connection, found)
    await _schemas(reader)
    found.extensions = {
        each["name"]: each["schema"]
        for each in await rows(connection, EXTENSIONS, [])
        if each["name"] not in platform.extensions
    }
    found.roles = [each for each in await rows(connection, ROLES, []) if not _is_of_platform(platform, each["name"])]
    await _relations(reader)
    found.partitions = await left_open(connection, list(found.schemas))
    await _policies(reader)
    for schema in found.schemas:
        one = await reader.one(FunctionGrants(), schema=schema)
        found.functions |= one["functions"] if one else {}
    found.filled = [each["name"] for each in await rows(connection, FILLED, [list(found.schemas)])]
    found.triggers = await rows(connection, TRIGGERS, {"ours": list(found.schemas)})
    await _rest(reader)
    asked = {"roles": [role["name"] for role in found.roles], "ours": list(found.schemas)}
    for each in await rows(connection, UNWRITTEN, asked):
        if not _is_of_platform(platform, each["owner"]):
            found.left.append(f"{each['name']}: {LEFT}")
    return found


def _is_of_platform(platform: Platform, role: str) -> bool:
    return bool(platform.name) and re.fullmatch(platform.all_roles, role) is not None


def _belongs_to_platform(found: Found, owner: str) -> bool:
    return owner != found.login and _is_of_platform(found.platform, owner)


async def _schemas(reader: _Reader) -> None:
    found = reader.found
    for each in await rows(reader.connection, SCHEMAS, [HISTORY_SCHEMA]):
        name, owner = each["name"], each["owner"]
        if "." in name:
            # What is in it would be named as of another schema.
            found.left.append(f"schema {name}, with all that is in it: its name has a dot")
            continue
        theirs = name in found.platform.schemas or _belongs_to_platform(found, owner)
        if (name == "public" or not theirs) and (one := await reader.one(Schema(), name=name)):
            found.schemas[name] = {key: value for key, value in one.items() if key != "name"}
    found.schema_grants = await reader.grants("schema", found.schemas)


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
    for each in await rows(reader.connection, POLICIES, [HISTORY_SCHEMA]):
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
        if _belongs_to_platform(found, each["owner"]):
            continue
        if one := await reader.one(Publication(), name=each["name"]):
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


UNSAFE: Mapping[str, str] = {
    "tables that anon may truncate, which row security doesn't bind": """
select n.nspname || '.' || c.relname as name from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any(%(ours)s) and c.relkind in ('r', 'p') and exists (
       select from pg_catalog.aclexplode(c.relacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee
        where a.privilege_type = 'TRUNCATE' and (a.grantee = 0 or r.rolname = 'anon')) order by 1""",
    "security definer functions without a search path": """
select p.oid::pg_catalog.regprocedure::text as name from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 where n.nspname = any(%(ours)s) and p.prosecdef
   and not exists (select from pg_catalog.unnest(p.proconfig) c where c ~ '^search_path=') and not exists (
       select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') order by 1""",
}


async def unsafe(connection: Connection, found: Found) -> dict[str, Sequence[str]]:
    """What is better changed, by what is wrong with it."""
    said: dict[str, Sequence[str]] = {}
    for what, query in UNSAFE.items():
        said[what] = [each["name"] for each in await rows(connection, query, {"ours": list(found.schemas)})]
    said["row policies for public, which are everybody"] = [
        f"{each['name']} on {each['table']}" for each in found.policies if each["roles"] == ["public"]
    ]
    said["tables without row security, left open"] = [
        table for table, switch in found.row_security.items() if switch == OPEN
    ]
    said["partitions that stand open where their table is closed, left open"] = [
        f"{partition}: {words}" for partition, words in found.partitions.items()
    ]
    said["row policies that do nothing, since row security of their table is off"] = [
        f"{each['name']} on {each['table']}" for each in found.policies if found.row_security.get(each["table"]) == OPEN
    ]
    return said

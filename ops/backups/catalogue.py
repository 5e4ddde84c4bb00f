"""What is in a database beside rows: each object's definition as PostgreSQL writes it, to compare two databases by.

Objects of the system and of extensions aren't listed: they come with the server.
"""

import re

from ops.database import Connection
from provider import spellings

_OURS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
_NO_EXTENSION = (
    "not exists (select from pg_depend as e where e.classid = '{}'::regclass and e.objid = {}.oid and e.deptype = 'e')"
)
_RELATION = f"{_OURS} and {_NO_EXTENSION.format('pg_class', 'c')}"
_ROUTINE = f"{_OURS} and {_NO_EXTENSION.format('pg_proc', 'p')}"
_NAME = "format('%I.%I', n.nspname, c.relname)"
_IN = "join pg_class as c on c.oid = {} join pg_namespace as n on n.oid = c.relnamespace"
_GRANTED = """string_agg(
    format('%s=%s%s', case a.grantee when 0 then 'public' else a.grantee::regrole::text end, a.privilege_type,
        case when a.is_grantable then '*' else '' end), ' '
    order by a.grantee::regrole::text, a.privilege_type)"""

# Kind → object and definition. The access kind is what counts in the end: memberships and column privileges too.
QUERIES = {
    "extensions": "select extname, nspname from pg_extension join pg_namespace as n on n.oid = extnamespace",
    "relations": f"""select {_NAME}, format('%s owner %s persistence %s options %s', c.relkind, c.relowner::regrole,
        c.relpersistence, c.reloptions) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and {_RELATION}""",
    "columns": f"""select {_NAME} || '.' || quote_ident(a.attname), format('%s%s%s%s%s',
        format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end,
        ' ' || nullif(a.attidentity::text, ''), ' ' || nullif(a.attgenerated::text, ''),
        ' default ' || pg_get_expr(d.adbin, d.adrelid))
        from pg_attribute as a {_IN.format("a.attrelid")}
        left join pg_attrdef as d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
        where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'f') and {_RELATION}""",
    "views": f"""select {_NAME}, pg_get_viewdef(c.oid) from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace where c.relkind in ('v', 'm') and {_RELATION}""",
    "indexes": f"""select {_NAME},
        pg_get_indexdef(i.indexrelid) || case when i.indisvalid then '' else ' invalid' end
        from pg_index as i {_IN.format("i.indexrelid")} where {_RELATION}""",
    "constraints": f"""select {_NAME} || '.' || quote_ident(k.conname), pg_get_constraintdef(k.oid)
        from pg_constraint as k {_IN.format("k.conrelid")} where k.contype <> 'f' and {_RELATION}""",
    "foreign keys": f"""select {_NAME} || '.' || quote_ident(k.conname),
        pg_get_constraintdef(k.oid) || case when k.convalidated then ' validated' else '' end
        from pg_constraint as k {_IN.format("k.conrelid")} where k.contype = 'f' and {_RELATION}""",
    "triggers": f"""select {_NAME} || '.' || quote_ident(t.tgname),
        format('%s %s', t.tgenabled, pg_get_triggerdef(t.oid))
        from pg_trigger as t {_IN.format("t.tgrelid")} where not t.tgisinternal and {_RELATION}""",
    "row security": f"""select {_NAME}, format('enabled %s forced %s', c.relrowsecurity, c.relforcerowsecurity)
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and {_RELATION}""",
    "row policies": f"""select {_NAME} || '.' || quote_ident(y.polname), format('%s %s to %s using (%s) check (%s)',
        y.polcmd, y.polpermissive, (select string_agg(case r when 0 then 'public' else r::regrole::text end, ', '
            order by r::regrole::text) from unnest(y.polroles) as r),
        pg_get_expr(y.polqual, y.polrelid), pg_get_expr(y.polwithcheck, y.polrelid))
        from pg_policy as y {_IN.format("y.polrelid")} where {_RELATION}""",
    "functions": f"""select p.oid::regprocedure::text, format('%s %s', p.proowner::regrole,
        case p.prokind when 'a' then 'aggregate' else pg_get_functiondef(p.oid) end)
        from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where {_ROUTINE}""",
    "types": f"""select format('%I.%I', n.nspname, t.typname), format('%s %s owner %s %s', t.typtype,
        format_type(t.typbasetype, t.typtypmod), t.typowner::regrole,
        (select string_agg(quote_literal(e.enumlabel), ',' order by e.enumsortorder) from pg_enum as e
            where e.enumtypid = t.oid))
        from pg_type as t join pg_namespace as n on n.oid = t.typnamespace
        where t.typtype in ('d', 'e', 'r') and {_OURS} and {_NO_EXTENSION.format("pg_type", "t")}""",
    "privileges": f"""select {_NAME}, {_GRANTED} from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        cross join aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char",
            c.relowner))) as a
        where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and {_RELATION} group by 1
        union all
        select {_NAME} || '.' || quote_ident(t.attname), {_GRANTED} from pg_attribute as t {_IN.format("t.attrelid")}
        cross join aclexplode(t.attacl) as a where {_RELATION} group by 1
        union all
        select p.oid::regprocedure::text, {_GRANTED} from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
        cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a where {_ROUTINE} group by 1
        union all
        select 'schema ' || quote_ident(n.nspname), {_GRANTED} from pg_namespace as n
        cross join aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a where {_OURS} group by 1
        union all
        select format('default %s %s %s', d.defaclrole::regrole, d.defaclnamespace, d.defaclobjtype), {_GRANTED}
        from (select defaclrole, coalesce(nullif(defaclnamespace, 0)::regnamespace::text, '') as defaclnamespace,
            defaclobjtype, defaclacl from pg_default_acl) as d
        cross join aclexplode(d.defaclacl) as a group by d.defaclrole, d.defaclnamespace, d.defaclobjtype""",
    "access": f"""select r.rolname || ' on ' || {_NAME}, string_agg(v.privilege, ' ' order by v.privilege)
        from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        cross join pg_roles as r cross join unnest('{{select,insert,update,delete,truncate}}'::text[]) as v (privilege)
        where c.relkind in ('r', 'p', 'v', 'm') and {_RELATION} and r.rolname !~ '^pg_' and not r.rolsuper
            and has_schema_privilege(r.oid, n.oid, 'usage') and has_table_privilege(r.oid, c.oid, v.privilege)
        group by 1""",
    "roles": """select r.rolname, format('login %s super %s bypassrls %s inherit %s limit %s in %s settings %s',
        r.rolcanlogin, r.rolsuper, r.rolbypassrls, r.rolinherit, r.rolconnlimit,
        (select string_agg(m.roleid::regrole::text, ',' order by m.roleid::regrole::text) from pg_auth_members as m
            where m.member = r.oid), array_to_string(r.rolconfig, ', '))
        from pg_roles as r where r.rolname !~ '^pg_' and not r.rolsuper""",
    "settings": """select format('database %s', s.setrole::regrole), array_to_string(s.setconfig, ', ')
        from pg_db_role_setting as s join pg_database as d on d.oid = s.setdatabase
        where d.datname = current_database()""",
    "event triggers": """select evtname, format('%s %s %s', evtevent, evtenabled, evtfoid::regproc)
        from pg_event_trigger""",
    "publications": """select pubname, format('%s %s', puballtables, (select string_agg(prrelid::regclass::text, ', '
        order by prrelid::regclass::text) from pg_publication_rel where prpubid = p.oid)) from pg_publication as p""",
}
# What of a definition is parsed where it is spelled otherwise: kind to object and facet, as a snapshot names them.
FACETS = {
    "views": ("view v", ""),
    "indexes": ("table t", "index i"),
    "constraints": ("table t", "constraint c"),
    "foreign keys": ("table t", "constraint c"),
    "triggers": ("table t", "trigger g"),
    "functions": ("function f", ""),
    "columns": ("table t", "column c"),
}
TRIGGER = re.compile(r"(?P<note>\w )(?P<sql>.*)", re.DOTALL)
FOREIGN = re.compile(r"(?P<sql>.*?)(?P<note>(?: validated)?)", re.DOTALL)
OTHER = re.compile(r"(?P<note>)(?P<sql>.*)", re.DOTALL)
OWNED = re.compile(r"(?P<note>.*? )(?P<sql>CREATE OR REPLACE .*)", re.DOTALL)
NOTES = {"triggers": TRIGGER, "foreign keys": FOREIGN, "functions": OWNED}
# A privilege that PostgreSQL 17 has first, which the owner of a table has by default.
MAINTAIN, MAINTAIN_VERSION = re.compile(r" ?\S+=MAINTAIN\*?"), 170000
POLICY = re.compile(r"(?P<rest>.*?) using \((?P<using>.*)\) check \((?P<check>.*)\)", re.DOTALL)


def read(connection: Connection) -> dict[str, dict[str, str]]:
    """Kind to object to definition; names are written with their schemas, where the session's search path is empty."""
    found = {}
    for kind, query in QUERIES.items():
        rows = connection.execute(query.encode()).fetchall()
        found[kind] = {str(name): str(definition or "") for name, definition in rows}
    return found


def differences(kind: str, was: dict[str, str], now: dict[str, str]) -> list[str]:
    """What isn't as it was, a line for each object.

    A definition that PostgreSQL spells otherwise once it has read its own text is the same.
    """
    lines = [f"{name} is missing" for name in sorted(was.keys() - now.keys())]
    lines += [f"{name} was not there" for name in sorted(now.keys() - was.keys())]
    for name in sorted(was.keys() & now.keys()):
        if was[name] != now[name] and not _same(kind, was[name], now[name]):
            lines.append(f"{name} is another one")
    return lines


def as_before(definitions: dict[str, str], server_version: int) -> dict[str, str]:
    """Privileges as a server of that version knows them."""
    if server_version >= MAINTAIN_VERSION:
        return definitions
    return {name: MAINTAIN.sub("", definition).strip() for name, definition in definitions.items()}


def _same(kind: str, was: str, now: str) -> bool:
    if kind == "row policies":
        one, other = POLICY.fullmatch(was), POLICY.fullmatch(now)
        if not one or not other or one["rest"] != other["rest"]:
            return False
        return all(spellings.same_expression(one[part] or None, other[part] or None) for part in ("using", "check"))
    if kind not in FACETS:
        return False
    form = NOTES.get(kind, OTHER)
    one, other = form.fullmatch(was), form.fullmatch(now)
    if not one or not other or one["note"] != other["note"]:
        return False
    return spellings.same_facet(*FACETS[kind], one["sql"], other["sql"])

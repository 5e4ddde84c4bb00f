"""What is in a database, object by object, as text that two databases can be compared by."""

from collections.abc import Iterable

from provider.connection import Connection

OURS = """n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname <> all(%(without)s::text[])
          and not exists (select 1 from pg_catalog.pg_depend e where e.objid = {oid} and e.deptype = 'e')"""
# One query per kind: the object's name, and everything about it that a statement can change. No oids.
RELATIONS = """
select case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'S' then 'sequence '
                      else 'table ' end || n.nspname || '.' || c.relname,
       concat_ws(' ', c.relkind, pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity,
                 c.reloptions::text, c.relreplident, c.relpersistence, pg_get_partkeydef(c.oid),
                 pg_get_expr(c.relpartbound, c.oid), obj_description(c.oid, 'pg_class'),
                 case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
                 (select array_agg(i.inhparent::regclass::text) from pg_inherits i where i.inhrelid = c.oid),
                 (select (s.seqtypid, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcycle)::text
                    from pg_sequence s where s.seqrelid = c.oid))
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and {ours}"""
COLUMNS = """
select 'column ' || n.nspname || '.' || c.relname || '.' || a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
                 nullif(a.attidentity::text, ''), nullif(a.attgenerated::text, ''), pg_get_expr(d.adbin, d.adrelid),
                 nullif(a.attstattarget, -1), case when a.attstorage <> t.typstorage then a.attstorage end,
                 case when a.attcollation <> t.typcollation then a.attcollation::regcollation end,
                 col_description(c.oid, a.attnum))
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  join pg_type t on t.oid = a.atttypid
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f') and {ours}"""
CONSTRAINTS = """
select 'constraint ' || coalesce(r.oid::regclass::text, n.nspname) || '.' || c.conname,
       concat_ws(' ', pg_get_constraintdef(c.oid), c.convalidated, obj_description(c.oid, 'pg_constraint'))
  from pg_constraint c join pg_namespace n on n.oid = c.connamespace left join pg_class r on r.oid = c.conrelid
 where c.contype <> 'n' and {ours}"""
INDEXES = """
select 'index ' || n.nspname || '.' || c.relname,
       concat_ws(' ', pg_get_indexdef(c.oid), i.indisvalid, i.indisclustered, i.indisreplident, c.reloptions::text,
                 obj_description(c.oid, 'pg_class'))
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace where {ours}"""
TRIGGERS = """
select 'trigger ' || n.nspname || '.' || r.relname || '.' || c.tgname,
       concat_ws(' ', pg_get_triggerdef(c.oid), c.tgenabled, obj_description(c.oid, 'pg_trigger'))
  from pg_trigger c join pg_class r on r.oid = c.tgrelid join pg_namespace n on n.oid = r.relnamespace
 where not c.tgisinternal and {ours}"""
POLICIES = """
select 'row policy ' || n.nspname || '.' || r.relname || '.' || c.polname,
       concat_ws(' ', c.polcmd, c.polpermissive,
                 (select array_agg(x::regrole::text order by 1) from unnest(c.polroles) x),
                 pg_get_expr(c.polqual, c.polrelid), pg_get_expr(c.polwithcheck, c.polrelid),
                 obj_description(c.oid, 'pg_policy'))
  from pg_policy c join pg_class r on r.oid = c.polrelid join pg_namespace n on n.oid = r.relnamespace where {ours}"""
FUNCTIONS = """
select 'function ' || n.nspname || '.' || c.proname || '(' || pg_get_function_identity_arguments(c.oid) || ')',
       concat_ws(' ', pg_get_userbyid(c.proowner), obj_description(c.oid, 'pg_proc'),
                 case when c.prokind = 'a' then 'aggregate' else pg_get_functiondef(c.oid) end)
  from pg_proc c join pg_namespace n on n.oid = c.pronamespace where {ours}"""
TYPES = """
select 'type ' || n.nspname || '.' || c.typname,
       concat_ws(' ', pg_get_userbyid(c.typowner), c.typtype, format_type(c.typbasetype, c.typtypmod), c.typnotnull,
                 c.typdefault, obj_description(c.oid, 'pg_type'),
                 (select array_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = c.oid))
  from pg_type c join pg_namespace n on n.oid = c.typnamespace
 where c.typtype in ('e', 'd', 'r') and {ours}"""
SCHEMAS = """
select 'schema ' || n.nspname, concat_ws(' ', pg_get_userbyid(n.nspowner), obj_description(n.oid, 'pg_namespace'))
  from pg_namespace n where {ours}"""
OTHERS = """
select 'publication ' || p.pubname, concat_ws(' ', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete,
       (select array_agg(r.prrelid::regclass::text order by 1) from pg_publication_rel r where r.prpubid = p.oid))
  from pg_publication p
union all select 'extension ' || e.extname, e.extnamespace::regnamespace::text from pg_extension e
union all select 'event trigger ' || e.evtname, concat_ws(' ', e.evtevent, e.evtfoid::regproc, e.evtenabled)
  from pg_event_trigger e"""
GRANTS = """
select 'grants on ' || n.nspname || '.' || c.relname, array(select unnest(c.relacl)::text order by 1)::text
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relacl is not null and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and {ours}
union all
select 'grants on function ' || n.nspname || '.' || c.proname || '('
       || pg_get_function_identity_arguments(c.oid) || ')',
       array(select unnest(c.proacl)::text order by 1)::text
  from pg_proc c join pg_namespace n on n.oid = c.pronamespace where c.proacl is not null and {ours}
union all
select 'grants on schema ' || n.nspname, array(select unnest(n.nspacl)::text order by 1)::text
  from pg_namespace n where n.nspacl is not null and {schemas}
union all
select 'default privileges of ' || pg_get_userbyid(d.defaclrole) || ' ' || d.defaclobjtype::text || ' '
       || coalesce(n.nspname, ''), array(select unnest(d.defaclacl)::text order by 1)::text
  from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace"""
KINDS = (RELATIONS, COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS, POLICIES, FUNCTIONS, TYPES)

Catalogue = dict[str, str]


async def read(connection: Connection, without: Iterable[str], grants: bool = True) -> Catalogue:
    """Every object outside of the system's schemas and of `without`, with its definition."""
    ours, schemas = OURS.format(oid="c.oid"), OURS.format(oid="n.oid")
    parts = [kind.replace("{ours}", ours) for kind in KINDS] + [SCHEMAS.replace("{ours}", schemas), OTHERS]
    if grants:
        parts.append(GRANTS.replace("{ours}", ours).replace("{schemas}", schemas))
    query = " union all ".join(f"select * from ({part}) as part (object, definition)" for part in parts)
    # Names are spelt with their schema by an empty path alone.
    await connection.execute("set search_path = ''")
    cursor = await connection.execute(query.encode(), {"without": list(without)})
    return {name: definition or "" for name, definition in await cursor.fetchall()}


def differences(before: Catalogue, after: Catalogue) -> list[str]:
    """The objects that are in one only, or defined otherwise."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))

"""What the schema pages tell, read from the catalogue of a provisioned database; partitions are left out."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from declared.schemas import WITH_OBJECTS

Connection = psycopg.Connection[tuple[Any, ...]]

TABLES = """
select c.oid, n.nspname as schema, c.relname as name, c.relkind::text as kind, pg_get_userbyid(c.relowner) as owner,
       coalesce(obj_description(c.oid, 'pg_class'), '') as comment, c.relrowsecurity as guarded,
       c.relforcerowsecurity as forced, pg_get_partkeydef(c.oid) as partitioned
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any(%(schemas)s) and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
 order by array_position(%(schemas)s, n.nspname::text), c.relname"""
# Each of these is asked for one table.
PARTS = {
    "columns": """
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as nullable,
       case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end as default,
       case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid) end as generated,
       coalesce(col_description(a.attrelid, a.attnum), '') as comment
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attrelid = %(oid)s and a.attnum > 0 and not a.attisdropped order by a.attnum""",
    "constraints": """
select conname as name, contype::text as kind, pg_get_constraintdef(oid) as definition,
       array(select t.attname::text from unnest(conkey) with ordinality k (number, position)
               join pg_attribute t on t.attrelid = conrelid and t.attnum = k.number order by k.position) as columns
  from pg_constraint where conrelid = %(oid)s and contype in ('p', 'u', 'c') order by contype, conname""",
    "references": """
select f.conname as name, t.relnamespace::regnamespace::text || '.' || t.relname as target,
       array(select a.attname::text from unnest(f.conkey) with ordinality k (number, position)
               join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number order by k.position) as columns,
       array(select a.attname::text from unnest(f.confkey) with ordinality k (number, position)
               join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.number order by k.position) as targets,
       case f.confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default'
                          when 'r' then 'restrict' else 'no action' end as on_delete
  from pg_constraint f join pg_class t on t.oid = f.confrelid
 where f.conrelid = %(oid)s and f.contype = 'f' order by f.conname""",
    "indexes": """
select i.relname as name, pg_get_indexdef(i.oid) as definition
  from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = %(oid)s order by i.relname""",
    "triggers": """
select t.tgname as name, pg_get_triggerdef(t.oid) as definition, f.pronamespace::regnamespace::text as schema,
       f.proname as function, coalesce(obj_description(t.oid, 'pg_trigger'), obj_description(f.oid, 'pg_proc'), '')
       as comment
  from pg_trigger t join pg_proc f on f.oid = t.tgfoid
 where t.tgrelid = %(oid)s and not t.tgisinternal order by t.tgname""",
    "sources": """
with uses as (
    select d.refclassid as class, d.refobjid as oid
      from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
     where w.ev_class = %(oid)s
), read as (  -- also by the functions that it reads
    select class, oid from uses
    union
    select d.refclassid, d.refobjid from uses u join pg_depend d on d.classid = u.class and d.objid = u.oid
     where u.class = 'pg_proc'::regclass and d.deptype = 'n'
)
select distinct t.relnamespace::regnamespace::text || '.' || t.relname as name
  from read r join pg_class t on r.class = 'pg_class'::regclass and t.oid = r.oid
 where t.oid <> %(oid)s and t.relkind in ('r', 'p', 'v', 'm') order by 1""",
    "grants": """
select g.role, g.privilege, array_agg(g.column order by g.position) as columns
  from (select pg_get_userbyid(e.grantee)::text as role, lower(e.privilege_type) as privilege, null as column,
               0 as position
          from pg_class c, aclexplode(c.relacl) e where c.oid = %(oid)s and e.grantee <> c.relowner
        union all
        select pg_get_userbyid(e.grantee)::text, lower(e.privilege_type), a.attname::text, a.attnum
          from pg_attribute a, aclexplode(a.attacl) e where a.attrelid = %(oid)s and not a.attisdropped) g
 group by g.role, g.privilege order by g.role, g.privilege""",
}
FUNCTIONS = """
select n.nspname as schema, p.proname as name, pg_get_function_arguments(p.oid) as arguments,
       pg_get_function_result(p.oid) as result,
       case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end as volatility,
       p.prosecdef as definer, pg_get_userbyid(p.proowner) as owner,
       coalesce(obj_description(p.oid, 'pg_proc'), '') as comment,
       array(select case e.grantee when 0 then 'everybody' else pg_get_userbyid(e.grantee)::text end
               from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) e
              where e.grantee <> p.proowner order by 1) as roles
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any(%(schemas)s)
 order by array_position(%(schemas)s, n.nspname::text), p.proname, pg_get_function_identity_arguments(p.oid)"""

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table or view, with everything that belongs to it."""

    about: Row
    columns: list[Row]
    constraints: list[Row]
    references: list[Row]
    indexes: list[Row]
    triggers: list[Row]
    sources: list[Row]
    """What a view reads."""
    grants: list[Row]

    @property
    def name(self) -> str:
        return f"{self.about['schema']}.{self.about['name']}"

    @property
    def kind(self) -> str:
        return {"v": "view", "m": "materialized view"}.get(self.about["kind"], "table")

    def of_kind(self, *kinds: str) -> list[Row]:
        """Its constraints of these kinds."""
        return [each for each in self.constraints if each["kind"] in kinds]


@dataclass(frozen=True)
class Catalogue:
    """The whole schema."""

    tables: list[Table]
    functions: list[Row]

    def referring_to(self, table: Table) -> list[tuple[Table, Row]]:
        """The foreign keys that point at a table."""
        return [(other, each) for other in self.tables for each in other.references if each["target"] == table.name]


def catalogue(connection: Connection) -> Catalogue:
    """Everything in our schemas; names are spelt with their schema by an empty path alone."""
    connection.execute("set search_path = ''")
    with connection.cursor(row_factory=dict_row) as cursor:

        def rows(query: str, **values: Any) -> list[Row]:
            return cursor.execute(query.encode(), {"schemas": list(WITH_OBJECTS), **values}).fetchall()

        tables = [
            Table(about, **{part: rows(query, oid=about["oid"]) for part, query in PARTS.items()})
            for about in rows(TABLES)
        ]
        return Catalogue(tables, rows(FUNCTIONS))

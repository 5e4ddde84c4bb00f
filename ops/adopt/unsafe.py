"""What is better changed in a database as it was found, and how."""

from collections.abc import Mapping, Sequence

from declared.adopted import OPEN
from ops.adopt.found import Found
from provider.connection import Connection, rows

TRUNCATED = "tables that anon may truncate, which row security doesn't bind"
DEFINERS = "security definer functions without a search path"
FOR_EVERYBODY = "row policies for public, which are everybody"
LEFT_OPEN = "tables without row security, left open"
PARTITIONS = "partitions that stand open where their table is closed, left open"
IDLE = "row policies that do nothing, since row security of their table is off"
UNNAMED = "row policies that compare with an operator which their text doesn't name, and elsewhere with another"
KEYS = "lines that seem to have a key in them"
TO_DO: Mapping[str, str] = {
    TRUNCATED: "take truncate out of the lists of anon and public in facts.py",
    DEFINERS: "write a migration that sets one: alter function ... set search_path = '', and schemas before its names",
    FOR_EVERYBODY: "name the roles that are meant in sql/policies, such as: to authenticated",
    LEFT_OPEN: "write row policies for the table, and declare it enabled in facts.py",
    PARTITIONS: "close it by its lists and row policies, then take it out of PARTITIONS in facts.py",
    IDLE: "declare the table enabled in facts.py, or take the policy out of sql/policies",
    UNNAMED: "name the operator in place of distinct from, nullif, in or case, as in: a operator(ext.=) b",
    KEYS: "take it out before the files are committed; the baseline may be edited until the first up",
}
UNSAFE: Mapping[str, str] = {
    TRUNCATED: """
select n.nspname || '.' || c.relname as name from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any(%(ours)s) and c.relkind in ('r', 'p') and exists (
       select from pg_catalog.aclexplode(c.relacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee
        where a.privilege_type = 'TRUNCATE' and (a.grantee = 0 or r.rolname = 'anon')) order by 1""",
    DEFINERS: """
select p.oid::pg_catalog.regprocedure::text as name from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 where n.nspname = any(%(ours)s) and p.prosecdef
   and not exists (select from pg_catalog.unnest(p.proconfig) c where c ~ '^search_path=') and not exists (
       select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') order by 1""",
}

# PostgreSQL writes these without the operator that they ask; where a policy is made, it is looked for in pg_catalog.
COMPARED = r"""
select n.nspname || '.' || c.relname as table, p.polname::text as name
  from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, c.oid), pg_catalog.pg_get_expr(p.polwithcheck, c.oid))
       ~ '\mDISTINCT FROM\M|\mNULLIF\(|\mCASE\M|\mIN \(|\mROW\('
   and exists (
       select from pg_catalog.pg_depend d join pg_catalog.pg_operator o on o.oid = d.refobjid
        where d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = p.oid
          and d.refclassid = 'pg_catalog.pg_operator'::regclass
          and o.oprnamespace <> 'pg_catalog'::pg_catalog.regnamespace) order by 1, 2"""


async def found_in(connection: Connection, found: Found) -> dict[str, Sequence[str]]:
    """What is better changed, by what is wrong with it."""
    said: dict[str, Sequence[str]] = {}
    for what, query in UNSAFE.items():
        said[what] = [each["name"] for each in await rows(connection, query, {"ours": list(found.schemas)})]
    said[FOR_EVERYBODY] = [
        f"{each['name']} on {each['table']}" for each in found.policies if each["roles"] == ["public"]
    ]
    said[LEFT_OPEN] = [table for table, switch in found.row_security.items() if switch == OPEN]
    said[PARTITIONS] = [f"{partition}: {words}" for partition, words in found.partitions.items()]
    said[IDLE] = [
        f"{each['name']} on {each['table']}" for each in found.policies if found.row_security.get(each["table"]) == OPEN
    ]
    taken = {(each["table"], each["name"]) for each in found.policies}
    said[UNNAMED] = [
        f"{each['name']} on {each['table']}"
        for each in await rows(connection, COMPARED, [])
        if (each["table"], each["name"]) in taken
    ]
    return said

"""What is asked of the catalogue of a database, to list who reaches what."""

# Every schema of ours; who owns something may do everything with it, and isn't listed.
SCHEMAS = "n.nspname !~ '^(pg_|information_schema$)'"
SYSTEM = "n.nspname in ('pg_catalog', 'information_schema')"
# What an extension brings is its version's affair, as far as it is as the extension made it.
EXTENSION = (
    "exists (select from pg_depend as d where d.classid = '{catalogue}'::regclass and d.objid = {oid} "
    "and d.deptype = 'e')"
)
CLASS = EXTENSION.format(catalogue="pg_class", oid="c.oid")
FUNCTION = EXTENSION.format(catalogue="pg_proc", oid="p.oid")
TYPE = EXTENSION.format(catalogue="pg_type", oid="t.oid")
# The role that a server was made with has another name on each.
NAME = "case {oid} when 10 then 'postgres' else pg_catalog.pg_get_userbyid({oid})::text end"
GRANTEE = f"case a.grantee when 0 then 'public' else {NAME.format(oid='a.grantee')} end"
OPTION = "lower(a.privilege_type) || case when a.is_grantable then ' with grant option' else '' end"
RELATION = (
    "case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' else 'table' end"
    " || ' ' || n.nspname || '.' || c.relname"
)
RELATION_DEFAULT = "acldefault(case c.relkind when 'S' then 's' else 'r' end::\"char\", c.relowner)"
KINDS = "c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')"
# Types that are made by themselves: not of a table, no array, no multirange of a range.
OWN_TYPE = (
    "t.typtype in ('b', 'c', 'd', 'e', 'r') and not exists (select from pg_type as e where e.typarray = t.oid) "
    "and (t.typrelid = 0 or (select r.relkind = 'c' from pg_class as r where r.oid = t.typrelid))"
)
GRANTS = f"""
select 'schema ' || n.nspname as object, {GRANTEE} as grantee, {OPTION} as privilege
from pg_namespace as n cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
where {SCHEMAS} and a.grantee <> n.nspowner
union all
select {RELATION}, {GRANTEE}, {OPTION}
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(coalesce(c.relacl, {RELATION_DEFAULT})) as a
where {SCHEMAS} and {KINDS} and not c.relispartition and a.grantee <> c.relowner and not {CLASS}
union all
select 'table ' || n.nspname || '.' || c.relname, {GRANTEE}, lower(a.privilege_type) || ' (' || t.attname || ')'
    || case when a.is_grantable then ' with grant option' else '' end
from pg_attribute as t join pg_class as c on c.oid = t.attrelid join pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(t.attacl) as a
where {SCHEMAS} and not c.relispartition and not t.attisdropped and a.grantee <> c.relowner and not {CLASS}
union all
select 'function ' || p.oid::regprocedure, {GRANTEE}, {OPTION}
from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
where {SCHEMAS} and a.grantee <> p.proowner and not {FUNCTION}
union all
select 'type ' || t.oid::regtype, {GRANTEE}, {OPTION}
from pg_type as t join pg_namespace as n on n.oid = t.typnamespace
cross join lateral aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) as a
where {SCHEMAS} and {OWN_TYPE} and a.grantee <> t.typowner and not {TYPE}
union all
select 'the database', {GRANTEE}, {OPTION}
from pg_database as b cross join lateral aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) as a
where b.datname = current_database() and a.grantee <> b.datdba
union all
select 'parameter ' || b.parname, {GRANTEE}, {OPTION}
from pg_parameter_acl as b cross join lateral aclexplode(b.paracl) as a where a.grantee <> 10
union all
select 'foreign data wrapper ' || b.fdwname, {GRANTEE}, {OPTION}
from pg_foreign_data_wrapper as b
cross join lateral aclexplode(coalesce(b.fdwacl, acldefault('F', b.fdwowner))) as a where a.grantee <> b.fdwowner
union all
select 'foreign server ' || b.srvname, {GRANTEE}, {OPTION}
from pg_foreign_server as b
cross join lateral aclexplode(coalesce(b.srvacl, acldefault('S', b.srvowner))) as a where a.grantee <> b.srvowner
union all
select 'foreign server ' || b.srvname, case b.umuser when 0 then 'public' else {NAME.format(oid="b.umuser")} end,
    'user mapping'
from pg_user_mappings as b
union all
select 'tablespace ' || b.spcname, {GRANTEE}, {OPTION}
from pg_tablespace as b cross join lateral aclexplode(b.spcacl) as a where a.grantee <> b.spcowner
union all
select 'large object ' || b.oid, {GRANTEE}, {OPTION}
from pg_largeobject_metadata as b cross join lateral aclexplode(b.lomacl) as a where a.grantee <> b.lomowner"""
# Of the system's objects and those of extensions, what isn't as it was when they were made.
INITIAL = f"""
with objects as (
    select 'pg_class'::regclass as catalogue, c.oid as id, 0 as part, {RELATION} as object, c.relowner as owner,
        c.relacl as acl, {RELATION_DEFAULT} as made
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where {KINDS} and ({SYSTEM} or {CLASS})
    union all
    select 'pg_class'::regclass, c.oid, t.attnum, {RELATION} || ' (' || t.attname || ')', c.relowner, t.attacl, null
    from pg_attribute as t join pg_class as c on c.oid = t.attrelid join pg_namespace as n on n.oid = c.relnamespace
    where t.attnum > 0 and not t.attisdropped and ({SYSTEM} or {CLASS})
    union all
    select 'pg_proc'::regclass, p.oid, 0, 'function ' || p.oid::regprocedure, p.proowner, p.proacl,
        acldefault('f', p.proowner)
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where (p.proacl is not null or exists (select from pg_init_privs as i where i.objoid = p.oid))
        and ({SYSTEM} or {FUNCTION})
    union all
    select 'pg_namespace'::regclass, n.oid, 0, 'schema ' || n.nspname, n.nspowner, n.nspacl, acldefault('n', n.nspowner)
    from pg_namespace as n where {SYSTEM}
    union all
    select 'pg_language'::regclass, l.oid, 0, 'language ' || l.lanname, l.lanowner, l.lanacl,
        acldefault('l', l.lanowner)
    from pg_language as l
    union all
    select 'pg_type'::regclass, t.oid, 0, 'type ' || t.oid::regtype, t.typowner, t.typacl, acldefault('T', t.typowner)
    from pg_type as t join pg_namespace as n on n.oid = t.typnamespace
    where t.typacl is not null and ({SYSTEM} or {TYPE})
), both_sides as (
    select o.object, o.owner, coalesce(o.acl, o.made) as now, coalesce(i.initprivs, o.made) as first
    from objects as o
    left join pg_init_privs as i on (i.classoid, i.objoid, i.objsubid) = (o.catalogue, o.id, o.part)
    where coalesce(o.acl, o.made) is distinct from coalesce(i.initprivs, o.made)
), now as (
    select o.object, {GRANTEE} as grantee, {OPTION} as privilege
    from both_sides as o cross join lateral aclexplode(o.now) as a
    -- What the server's own scripts grant after the initial privileges were noted.
    where a.grantee <> o.owner and not (o.object ~ '[ .]information_schema([. ]|$)' and a.grantee = 0
        and a.privilege_type in ('SELECT', 'USAGE') and not a.is_grantable)
), first as (
    select o.object, {GRANTEE} as grantee, {OPTION} as privilege
    from both_sides as o cross join lateral aclexplode(o.first) as a where a.grantee <> o.owner
)
(select object, grantee, privilege from now except select object, grantee, privilege from first)
union all
select object, grantee, 'no ' || privilege from (
    select object, grantee, privilege from first except select object, grantee, privilege from now
) as taken"""
OWNERS = f"""
select 'schema ' || n.nspname, {NAME.format(oid="n.nspowner")} from pg_namespace as n where {SCHEMAS}
union all
select {RELATION}, {NAME.format(oid="c.relowner")}
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where {SCHEMAS} and {KINDS} and not c.relispartition and not {CLASS}
    -- A sequence of a column is its table's owner's.
    and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid
        and c.relkind = 'S' and d.deptype in ('a', 'i'))
union all
select 'function ' || p.oid::regprocedure, {NAME.format(oid="p.proowner")}
from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where {SCHEMAS} and not {FUNCTION}
union all
select 'type ' || t.oid::regtype, {NAME.format(oid="t.typowner")}
from pg_type as t join pg_namespace as n on n.oid = t.typnamespace where {SCHEMAS} and {OWN_TYPE} and not {TYPE}
union all
select 'the database', {NAME.format(oid="b.datdba")} from pg_database as b where b.datname = current_database()
union all
select 'foreign server ' || b.srvname, {NAME.format(oid="b.srvowner")} from pg_foreign_server as b
union all
select 'event trigger ' || b.evtname, {NAME.format(oid="b.evtowner")} from pg_event_trigger as b
union all
select 'publication ' || b.pubname, {NAME.format(oid="b.pubowner")} from pg_publication as b"""
POLICIES = f"""
select n.nspname || '.' || c.relname, p.polname::text, p.polpermissive,
    case p.polcmd
        when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all'
    end,
    array(select case r when 0 then 'public' else pg_get_userbyid(r)::text end from unnest(p.polroles) as r order by 1),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy')
from pg_policy as p join pg_class as c on c.oid = p.polrelid join pg_namespace as n on n.oid = c.relnamespace
where {SCHEMAS}"""
SECURITY = f"""
select n.nspname || '.' || c.relname, c.relrowsecurity, c.relforcerowsecurity
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where {SCHEMAS} and c.relkind in ('r', 'p')"""
PARTITIONS = f"""
select n.nspname || '.' || c.relname, m.nspname || '.' || r.relname,
    case when c.relowner <> r.relowner then {NAME.format(oid="c.relowner")} end,
    array(select {GRANTEE} || ': ' || {OPTION} from aclexplode(c.relacl) as a where a.grantee <> c.relowner order by 1)
        || array(select {GRANTEE} || ': ' || {OPTION} || ' (' || t.attname || ')'
            from pg_attribute as t cross join lateral aclexplode(t.attacl) as a
            where t.attrelid = c.oid and not t.attisdropped and a.grantee <> c.relowner order by 1)
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
join pg_class as r on r.oid = pg_partition_root(c.oid) join pg_namespace as m on m.oid = r.relnamespace
where c.relispartition and c.relkind in ('r', 'p', 'f') and {SCHEMAS}"""
VIEWS = f"""
select n.nspname || '.' || c.relname, array(select unnest(c.reloptions) order by 1), pg_get_viewdef(c.oid)
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where {SCHEMAS} and c.relkind in ('v', 'm') and not {CLASS}"""
FUNCTIONS = f"""
select p.oid::regprocedure::text, n.nspname || '.' || p.proname, p.prosecdef,
    exists (select from pg_depend as d where d.classid = 'pg_policy'::regclass
        and d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid),
    concat_ws(E'\\n', p.prosrc, pg_get_function_sqlbody(p.oid)),
    concat_ws(' ', l.lanname, p.prosecdef, p.proleakproof, array_to_string(p.proconfig, ' '))
from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace join pg_language as l on l.oid = p.prolang
where {SCHEMAS} and not {FUNCTION}"""
DEFAULTS = f"""
select case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
        when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end
    || ' that ' || {NAME.format(oid="d.defaclrole")} || ' makes' || coalesce(' in ' || n.nspname, ''),
    array(select {GRANTEE} || ': ' || {OPTION} from aclexplode(d.defaclacl) as a where a.grantee <> d.defaclrole)
from pg_default_acl as d left join pg_namespace as n on n.oid = d.defaclnamespace"""
# Of an older server a membership is inherited where its member inherits.
ROLES = f"""
select {NAME.format(oid="r.oid")},
    array_remove(array[case when r.rolsuper then 'superuser' end, case when r.rolbypassrls then 'bypassrls' end,
        case when r.rolcreaterole then 'createrole' end, case when r.rolcreatedb then 'createdb' end,
        case when r.rolreplication then 'replication' end, case when r.rolcanlogin then 'login' end], null),
    array(select g.rolname::text
            || case when coalesce((to_jsonb(m) ->> 'inherit_option')::bool, r.rolinherit) then ', inherited' else '' end
            || case when coalesce((to_jsonb(m) ->> 'set_option')::bool, true) then '' else ', without set role' end
            || case when m.admin_option then ', with admin option' else '' end
        from pg_auth_members as m join pg_roles as g on g.oid = m.roleid where m.member = r.oid order by 1),
    array(select setting || case when s.setdatabase = 0 then '' else ' in the database' end
        from pg_db_role_setting as s cross join unnest(s.setconfig) as setting
        where s.setrole = r.oid
            and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
        order by 1)
from pg_roles as r where r.rolname !~ '^pg_'
union all
select 'every role', '{{}}', '{{}}',
    array_agg(setting || case when s.setdatabase = 0 then '' else ' in the database' end order by setting)
from pg_db_role_setting as s cross join unnest(s.setconfig) as setting
where s.setrole = 0 and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
having count(*) > 0"""
PUBLICATIONS = """
select p.pubname::text, p.puballtables, n.nspname || '.' || c.relname,
    array(select t.attname::text from pg_attribute as t
        where t.attrelid = c.oid and t.attnum = any(r.prattrs) order by 1),
    r.prattrs is null, pg_get_expr(r.prqual, r.prrelid)
from pg_publication as p
left join pg_publication_rel as r on r.prpubid = p.oid left join pg_class as c on c.oid = r.prrelid
left join pg_namespace as n on n.oid = c.relnamespace
union all
select p.pubname::text, false, 'each table of ' || n.nspname, '{}', true, null
from pg_publication as p join pg_publication_namespace as s on s.pnpubid = p.oid
join pg_namespace as n on n.oid = s.pnnspid"""

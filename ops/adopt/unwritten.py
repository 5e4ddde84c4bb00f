"""What no file of an adopted database holds, by its name."""

from ops.adopt.found import LEFT, Found
from provider.connection import Connection, rows

# What Supabase sets for its database, which belongs to the login.
PLATFORM_SETTINGS = ("app.settings.jwt_exp", "app.settings.jwt_secret", "statement_timeout")
# What no file holds. Names alone: values and options may be secrets.
UNWRITTEN = """
select pg_catalog.concat('default privileges of role ', r.rolname, ' in schema ' || n.nspname) as name,
       r.rolname::text as owner
  from pg_catalog.pg_default_acl a join pg_catalog.pg_roles r on r.oid = a.defaclrole
  left join pg_catalog.pg_namespace n on n.oid = a.defaclnamespace
 where n.nspname is null or not n.nspname = any(%(theirs)s)
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
select pg_catalog.concat('foreign server ', s.srvname, ', without which the baseline can''t make foreign table ' || (
           select pg_catalog.string_agg(t.ftrelid::pg_catalog.regclass::text, ', ' order by t.ftrelid)
             from pg_catalog.pg_foreign_table t where t.ftserver = s.oid)),
       pg_catalog.pg_get_userbyid(s.srvowner)::text
  from pg_catalog.pg_foreign_server s
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
 where s.setrole = 0 and not pg_catalog.split_part(c, '=', 1) = any(%(settings)s) or r.rolname = any(%(roles)s)
union
select pg_catalog.concat('membership of role ', m.rolname, ' in ', g.rolname),
       case when m.rolname = any(%(roles)s) then m.rolname else g.rolname end::text
  from pg_catalog.pg_auth_members a join pg_catalog.pg_roles m on m.oid = a.member
  join pg_catalog.pg_roles g on g.oid = a.roleid
   -- Who makes a role has it, elsewhere too.
 where (m.rolname = any(%(roles)s) or g.rolname = any(%(roles)s)) and m.rolname <> current_user
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


async def unwritten(connection: Connection, found: Found) -> list[str]:
    """A line for each, but for the platform's own."""
    roles, ours = [role["name"] for role in found.roles], [*found.schemas]
    # A platform has its own defaults for what its login makes there.
    theirs = [*found.platform.schemas, *found.theirs, "public"] if found.platform.name else []
    settings = [*PLATFORM_SETTINGS] if found.platform.name else []
    asked = {"roles": roles, "ours": ours, "theirs": theirs, "settings": settings}
    there = await rows(connection, UNWRITTEN, asked)
    return [f"{each['name']}: {LEFT}" for each in there if not found.is_of_platform(each["owner"])]

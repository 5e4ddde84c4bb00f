"""Rules on roles: attributes, memberships, passwords and settings beyond the declaration."""

from collections.abc import Iterator
from datetime import UTC, datetime

from declared.roles import SECOND
from ops.audit.model import Audited, Row, Rule, Severity

# So long clients may take to get their new URLs.
OVERLAP_DAYS = 7

# Roles that a platform needs for itself; the auditor can't change them.
PROVIDERS = "'^(pg_|rds|aws_|cloudsql|azure|supabase_(admin|auth_admin|read_only_user|replication_admin|etl_admin)$)'"

SUPERUSERS = f"""
    select 'role ' || rolname as object, quote_ident(rolname) as role
    from pg_roles
    where rolsuper and oid <> 10 and rolname !~ {PROVIDERS} and rolname <> session_user
"""
PROVISIONER = """
    select 'role ' || rolname as object from pg_roles where rolsuper and rolname = session_user
"""
ATTRIBUTES = """
    select 'role ' || r.rolname as object, a.word, quote_ident(r.rolname) as role
    from jsonb_each(%(roles)s) as d (name, spec)
    join pg_roles as r on r.rolname = d.name
    cross join lateral (values
        ('createrole', r.rolcreaterole, false), ('createdb', r.rolcreatedb, false),
        ('replication', r.rolreplication, false), ('bypassrls', r.rolbypassrls, (d.spec ->> 'bypassrls')::boolean),
        ('login', r.rolcanlogin, (d.spec ->> 'login')::boolean),
        ('inherit', r.rolinherit, (d.spec ->> 'inherit')::boolean)
    ) as a (word, found, declared)
    where a.found and not a.declared
"""
UNDECLARED = f"""
    select 'role ' || r.rolname as object, quote_ident(r.rolname) as role,
        case when r.rolcanlogin then 'it can log in' else 'it has privileges of its own' end as can
    from pg_roles as r
    where r.oid >= 16384 and r.rolname !~ {PROVIDERS} and r.rolname <> session_user
        and not %(roles)s::jsonb ? r.rolname
        and (r.rolcanlogin or r.rolcreaterole or r.rolreplication or r.rolbypassrls)
        and not r.rolsuper
"""
MEMBERSHIPS = """
    select 'role ' || m.rolname as object, g.rolname as "group", quote_ident(m.rolname) as member,
        quote_ident(g.rolname) as "from"
    from pg_auth_members as a
    join pg_roles as m on m.oid = a.member
    join pg_roles as g on g.oid = a.roleid
    -- Who provisions holds each role that it makes, since PostgreSQL 16 by itself; a superuser is in all of them.
    where m.oid >= 16384 and m.rolname <> session_user and not m.rolsuper
        and (%(roles)s::jsonb ? m.rolname or %(roles)s::jsonb ? g.rolname or g.rolname = any (%(brought_roles)s))
        and not coalesce(%(roles)s::jsonb -> m.rolname -> 'member_of' ? g.rolname, false)
"""
# Columns by name: before PostgreSQL 16 a membership had the option admin alone.
OPTIONS = """
    select distinct 'role ' || m.rolname as object, g.rolname as "group", o.word, quote_ident(m.rolname) as member,
        quote_ident(g.rolname) as "from"
    from pg_auth_members as a
    join pg_roles as m on m.oid = a.member
    join pg_roles as g on g.oid = a.roleid
    cross join lateral (values
        ('may pass it on', a.admin_option),
        ('has its privileges without becoming it', (to_jsonb(a) ->> 'inherit_option')::boolean
            and not (%(roles)s::jsonb -> m.rolname ->> 'inherit')::boolean),
        ('has none of its privileges before it becomes it', not (to_jsonb(a) ->> 'inherit_option')::boolean
            and (%(roles)s::jsonb -> m.rolname ->> 'inherit')::boolean),
        ('can''t become it', not (to_jsonb(a) ->> 'set_option')::boolean
            and not coalesce(%(roles)s::jsonb -> m.rolname -> 'inherits_only' ? g.rolname, false))
    ) as o (word, wrong)
    where o.wrong and coalesce(%(roles)s::jsonb -> m.rolname -> 'member_of' ? g.rolname, false)
"""
PASSWORDS = """
    select 'role ' || rolname as object, quote_ident(rolname) as role,
        case when rolpassword is null then 'it has no password, so that it logs in where none is asked for, or nowhere'
            else 'its password is kept as MD5, which can be replayed' end as what,
        case when rolpassword is null then 'low' else 'high' end as severity
    from pg_authid
    where rolcanlogin and coalesce(rolpassword, '') !~ '^SCRAM-SHA-256\\$'
        and (rolpassword is not null or %(roles)s::jsonb ? rolname)
"""
EXPIRED = """
    select 'role ' || rolname as object, to_char(rolvaliduntil at time zone 'UTC', 'YYYY-MM-DD') as day,
        quote_ident(rolname) as role
    from pg_roles where rolcanlogin and rolvaliduntil < now()
"""
LIMITS = """
    select 'role ' || rolname as object, quote_ident(rolname) as role
    from pg_roles where rolcanlogin and rolconnlimit = -1 and not rolsuper and oid >= 16384
"""
SETTINGS = """
    select case when s.setrole = 0 then 'database ' || current_database() else 'role ' || r.rolname end as object,
        split_part(entry, '=', 1) as setting,
        case when s.setrole = 0 then 'alter database ' || quote_ident(current_database())
            else 'alter role ' || quote_ident(r.rolname) || case when s.setdatabase = 0 then ''
                else ' in database ' || quote_ident(current_database()) end end
        || ' reset ' || split_part(entry, '=', 1) || ';' as reset,
        case when split_part(entry, '=', 1) ~* '(secret|password|token|private|api_?key|jwt)' then 'high' end
        as severity,
        case when split_part(entry, '=', 1) ~* '(secret|password|token|private|api_?key|jwt)'
            then 'every session can read it, and its name says that it is a secret'
            else 'the declaration has no such setting' end as what
    from pg_db_role_setting as s
    left join pg_roles as r on r.oid = s.setrole
    cross join unnest(s.setconfig) as entry
    where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
        and (s.setrole = 0 or %(roles)s::jsonb ? r.rolname)
        and (s.setdatabase <> 0 or s.setrole = 0
            or not coalesce(%(roles)s::jsonb -> r.rolname -> 'settings' ? lower(split_part(entry, '=', 1)), false))
"""


def old(audited: Audited) -> Iterator[Row]:
    """Passwords by the day on which the state says that they were made."""
    for name, days in _ages(audited).items():
        if days > audited.password_days:
            yield {"object": f"role {name}", "days": days, "most": audited.password_days}


def overlap(audited: Audited) -> Iterator[Row]:
    """Roles of which both logins have had a password for longer than clients take to get the new one."""
    ages = _ages(audited)
    for role, second in SECOND.items():
        days = min(ages[role], ages[second]) if {role, second} <= ages.keys() else 0
        if days > OVERLAP_DAYS:
            yield {"object": f"role {role}", "second": second, "days": days, "most": OVERLAP_DAYS}


def _ages(audited: Audited) -> dict[str, int]:
    """Login → the days since its password was made, where the state dates it."""
    now = datetime.now(UTC)
    found = {}
    for resource in audited.resources("pg:index:Password"):
        if made := resource.get("modified") or resource.get("created"):
            name = resource["urn"].rsplit("::", 1)[1].removeprefix("roles-").removesuffix("-password")
            found[name] = (now - datetime.fromisoformat(made)).days
    return found


RULES = (
    Rule(
        "superuser",
        Severity.critical,
        "a superuser beside the server's own and the login that provisions",
        "it is superuser: no grant, policy or trail binds it",
        "alter role {role} nosuperuser;",
        SUPERUSERS,
        ("CIS PostgreSQL 4.3",),
    ),
    Rule(
        "superuser-provisions",
        Severity.info,
        "the login that provisions is a superuser",
        "it provisions as superuser; a member of the owners would do, as on Amazon RDS",
        "provision as a login with createrole that is a member of app_owner and supabase_storage_admin",
        PROVISIONER,
        ("CIS PostgreSQL 4.3",),
    ),
    Rule(
        "role-attribute",
        Severity.high,
        "an attribute of a role that the declaration doesn't have",
        "it has the attribute {word}",
        "alter role {role} no{word};",
        ATTRIBUTES,
        ("CIS PostgreSQL 4.3",),
    ),
    Rule(
        "role-undeclared",
        Severity.medium,
        "a role that can log in or bypass something, and that isn't declared",
        "it isn't in declared/roles.py, and {can}",
        "drop role {role};",
        UNDECLARED,
        ("CIS PostgreSQL 4.4",),
    ),
    Rule(
        "membership-undeclared",
        Severity.high,
        "a membership that the declaration doesn't have",
        "it is a member of {group}",
        "revoke {from} from {member};",
        MEMBERSHIPS,
        ("CIS PostgreSQL 4.3",),
    ),
    Rule(
        "membership-option",
        Severity.high,
        "a declared membership with options that the declaration doesn't have",
        "it is a member of {group} and {word}",
        "revoke {from} from {member}; grant {from} to {member};",
        OPTIONS,
        ("CIS PostgreSQL 4.3",),
    ),
    Rule(
        "password-not-scram",
        Severity.high,
        "a login whose password isn't kept as a SCRAM verifier",
        "{what}",
        "make up",
        PASSWORDS,
        ("CIS PostgreSQL 5.4",),
    ),
    Rule(
        "password-expired",
        Severity.low,
        "a login whose password has expired",
        "its password stopped working on {day}",
        "alter role {role} valid until 'infinity'; or ./vpb rotate",
        EXPIRED,
        ("CIS PostgreSQL 4.4",),
    ),
    Rule(
        "password-old",
        Severity.medium,
        "a password that was not rotated for longer than --password-days",
        "its password is {days} days old, more than {most}",
        "./vpb rotate, then ./vpb rotate --finish",
        old,
        ("AWS SecretsManager.4",),
    ),
    Rule(
        "password-overlap",
        Severity.low,
        "a rotation whose old passwords are open for longer than a week",
        "it and {second} can both log in, for {days} days now, more than {most}",
        "./vpb rotate --finish",
        overlap,
    ),
    Rule(
        "login-unlimited",
        Severity.info,
        "a login without a limit of connections",
        "it may take every connection of the server",
        "alter role {role} connection limit 50; and declare it in declared/roles.py",
        LIMITS,
        ("CIS PostgreSQL 5.5",),
    ),
    Rule(
        "role-setting",
        Severity.medium,
        "a run-time setting on a role or on the database that the declaration doesn't have",
        "{setting} is set: {what}",
        "{reset}",
        SETTINGS,
        ("CIS PostgreSQL 6.6",),
    ),
)

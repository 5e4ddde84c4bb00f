"""What is the platform's on the double, line by line, so that before and after can be compared."""

import psycopg

SCHEMAS = (
    "auth",
    "extensions",
    "graphql",
    "graphql_public",
    "guard",
    "pgbouncer",
    "realtime",
    "storage",
    "vault",
)
# Each gives a kind, a name and a definition; %(roles)s are the platform's roles.
QUERIES = (
    "select 'role', rolname, concat(to_jsonb(r), shobj_description(oid, 'pg_authid')) from pg_roles as r"
    " where rolname = any (%(roles)s)",
    "select 'password', rolname, rolpassword from pg_authid where rolname = any (%(roles)s)",
    "select 'membership', roleid::regrole || ' to ' || member::regrole, (to_jsonb(m) - 'oid')::text"
    " from pg_auth_members as m where roleid::regrole::text = any (%(roles)s)"
    " and member::regrole::text = any (%(roles)s)",
    "select 'setting', coalesce(setrole::regrole::text, ''), setconfig::text from pg_db_role_setting"
    " where setrole = 0 or setrole::regrole::text = any (%(roles)s)",
    "select 'database', datname, concat(datdba::regrole, shobj_description(oid, 'pg_database')) from pg_database",
    "select 'grant', 'database ' || datname, a::text from pg_database, unnest(datacl) as a",
    "select 'schema', nspname, concat(nspowner::regrole, obj_description(oid, 'pg_namespace')) from pg_namespace"
    " where nspname = any (%(schemas)s || array['public'])",
    "select 'grant', 'schema ' || nspname, a::text from pg_namespace, unnest(nspacl) as a"
    " where nspname = any (%(schemas)s || array['public'])",
    "select 'relation', oid::regclass::text, concat(relkind, relowner::regrole, relrowsecurity, relforcerowsecurity,"
    " reloptions::text, obj_description(oid, 'pg_class'), pg_get_expr(relpartbound, oid)) from pg_class"
    " where relnamespace::regnamespace::text = any (%(schemas)s)",
    "select 'grant', oid::regclass::text, a::text from pg_class, unnest(relacl) as a"
    " where relnamespace::regnamespace::text = any (%(schemas)s)",
    "select 'column', attrelid::regclass || '.' || attname, concat(atttypid::regtype, attnotnull, attgenerated,"
    " col_description(attrelid, attnum)) from pg_attribute join pg_class as c on c.oid = attrelid"
    " where relnamespace::regnamespace::text = any (%(schemas)s) and attnum > 0",
    "select 'grant', attrelid::regclass || '.' || attname, a::text from pg_attribute join pg_class as c"
    " on c.oid = attrelid, unnest(attacl) as a where relnamespace::regnamespace::text = any (%(schemas)s)",
    "select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) from pg_constraint"
    " where connamespace::regnamespace::text = any (%(schemas)s)",
    "select 'trigger', tgrelid::regclass || '.' || tgname, concat(pg_get_triggerdef(t.oid), tgenabled)"
    " from pg_trigger as t"
    " join pg_class as c on c.oid = tgrelid where not tgisinternal"
    " and relnamespace::regnamespace::text = any (%(schemas)s)",
    "select 'policy', polrelid::regclass || '.' || polname, polroles::regrole[]::text from pg_policy"
    " join pg_class as c on c.oid = polrelid where relnamespace::regnamespace::text = any (%(schemas)s)",
    "select 'function', oid::regprocedure::text, concat(proowner::regrole, prosrc, proconfig::text, prosecdef,"
    " obj_description(oid, 'pg_proc')) from pg_proc where pronamespace::regnamespace::text = any (%(schemas)s)",
    "select 'grant', oid::regprocedure::text, a::text from pg_proc, unnest(proacl) as a"
    " where pronamespace::regnamespace::text = any (%(schemas)s)",
    "select 'type', oid::regtype::text, concat(typowner::regrole, typacl::text) from pg_type"
    " where typnamespace::regnamespace::text = any (%(schemas)s)",
    "select 'default privileges', concat(defaclrole::regrole, ' ', defaclnamespace::regnamespace, ' ',"
    " defaclobjtype), defaclacl::text from pg_default_acl",
    "select 'extension', extname, concat(extowner::regrole, extnamespace::regnamespace, extversion) from pg_extension",
    "select 'event trigger', evtname, concat(evtowner::regrole, evtfoid::regproc, evtenabled) from pg_event_trigger",
    "select 'publication', pubname, concat(pubowner::regrole, pubinsert) from pg_publication",
    "select 'parameter', parname, paracl::text from pg_parameter_acl",
)
# An extension that comes with us brings functions and types into the platform's schema.
BROUGHT = """
select pg_describe_object(d.classid, d.objid, 0) from pg_depend as d join pg_extension as e on e.oid = d.refobjid
where d.refclassid = 'pg_extension'::regclass and d.deptype = 'e' and e.extname = 'pg_trgm'
    and d.classid in ('pg_proc'::regclass, 'pg_type'::regclass)"""
Lines = frozenset[tuple[str, str, str]]


def roles(connection: psycopg.Connection) -> list[str]:
    """The roles of a project that nobody has used yet."""
    return [name for (name,) in connection.execute("select rolname::text from pg_roles").fetchall()]


def lines(connection: psycopg.Connection, known: list[str]) -> Lines:
    """Kind, name and definition of all that is the platform's.

    Args:
        known: its roles.
    """
    given = {"roles": known, "schemas": list(SCHEMAS)}
    connection.execute("set search_path = ''")
    brought = {text.partition(" ")[2] for (text,) in connection.execute(BROUGHT).fetchall()}
    brought |= {f"{name}[]" for name in brought}
    found = (row for query in QUERIES for row in connection.execute(query.encode(), given).fetchall())
    return frozenset((kind, name, str(definition)) for kind, name, definition in found if name not in brought)

"""Rules on schemas, extensions, publications, keys and indexes."""

from ops.audit.model import Rule, Severity

CREATE = """
    select 'schema ' || n.nspname as object, r.role, 'revoke create on schema ' || quote_ident(n.nspname) || ' from '
        || case when r.role = 'public' then r.role else quote_ident(r.role) end || ';' as revoke
    from pg_namespace as n
    cross join lateral (
        select 'public' as role where exists (
            select from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as e
            where e.grantee = 0 and e.privilege_type = 'CREATE')
        union all
        select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role', 'authenticator')
            and has_schema_privilege(oid, n.oid, 'create')
    ) as r
    where n.nspname !~ '^pg_(toast|temp)'
"""
SCHEMAS = """
    select 'schema ' || n.nspname as object, quote_ident(n.nspname) as name,
        case when n.nspname = any(%(exposed)s) then 'high' end as severity,
        case when n.nspname = any(%(exposed)s) then 'visitors or people may use it'
            else 'nothing holds what is in it' end as what
    from pg_namespace as n
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname <> all(%(known_schemas)s)
"""
EXTENSIONS = """
    select 'extension ' || e.extname as object, quote_ident(e.extname) as name, n.nspname as schema,
        case when n.nspname = 'public' then 'medium' end as severity,
        case when declared.schema is null then 'it isn''t declared'
            else 'it is in schema ' || n.nspname || ', where it isn''t expected' end as what,
        case when declared.schema is null then 'drop extension ' || quote_ident(e.extname) || ';'
            else 'alter extension ' || quote_ident(e.extname) || ' set schema ' || quote_ident(declared.schema) || ';'
            end as repair
    from pg_extension as e join pg_namespace as n on n.oid = e.extnamespace
    cross join lateral (select %(extensions)s::jsonb ->> e.extname::text as schema) as declared
    where e.extname <> 'plpgsql' and n.nspname is distinct from declared.schema
"""
OUTDATED = """
    select 'extension ' || name as object, quote_ident(name) as name, installed_version as is, default_version as could
    from pg_available_extensions where installed_version <> default_version
"""
PUBLISHED_SECRETS = """
    select 'publication ' || p.pubname as object, p.schemaname || '.' || p.tablename as "table",
        'alter publication ' || quote_ident(p.pubname) || ' drop table ' || quote_ident(p.schemaname) || '.'
        || quote_ident(p.tablename) || ';' as repair
    from pg_publication_tables as p where p.schemaname = any(%(credentials)s)
"""
PUBLISHED = """
    select 'publication ' || p.pubname as object, case
            when p.puballtables then 'every table, those to come too'
            else coalesce('all of schema ' || s.pnnspid::regnamespace, r.prrelid::regclass::text) end as what,
        case when p.puballtables then 'drop publication ' || quote_ident(p.pubname)
            else 'alter publication ' || quote_ident(p.pubname) || ' drop '
                || coalesce('tables in schema ' || s.pnnspid::regnamespace, 'table ' || r.prrelid::regclass) end
        || ';' as repair
    from pg_publication as p
    left join pg_publication_rel as r on r.prpubid = p.oid
    left join pg_publication_namespace as s on s.pnpubid = p.oid
    where (p.puballtables or s.oid is not null or r.oid is not null)
        and not (r.oid is not null and r.prrelid::regclass::text = any(%(published)s))
        -- The service's own, for the messages that it sends.
        and p.pubname <> 'supabase_realtime_messages_publication'
"""
SUBSCRIPTIONS = """
    select 'subscription ' || subname as object, quote_ident(subname) as name from pg_subscription
    where subdbid = (select oid from pg_database where datname = current_database())
"""
FOREIGN = """
    select 'foreign server ' || s.srvname as object, 'it leads to another database' as what, 'medium' as severity,
        'drop server ' || quote_ident(s.srvname) || ' cascade;' as gone
    from pg_foreign_server as s
    union all
    select 'user mapping of ' || m.usename || ' on ' || m.srvname, 'it holds a password in clear text', 'high',
        'drop user mapping for ' || quote_ident(m.usename) || ' server ' || quote_ident(m.srvname) || ';'
    from pg_user_mappings as m where exists (select from unnest(m.umoptions) as o where o ~* '^(password|sslpassword)=')
"""
LARGE_OBJECTS = """
    select 'large objects' as object, count(*) as many from pg_largeobject_metadata having count(*) > 0
"""
OURS = "(n.nspname = any(%(schemas)s) or n.nspname = any(%(exposed)s))"
UNINDEXED = f"""
    select 'foreign key ' || f.conname || ' on ' || f.conrelid::regclass as object,
        f.conrelid::regclass::text as "table", string_agg(quote_ident(a.attname), ', ' order by k.position) as columns
    from pg_constraint as f join pg_namespace as n on n.oid = f.connamespace
    cross join unnest(f.conkey) with ordinality as k (number, position)
    join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = k.number
    where f.contype = 'f' and {OURS} and not exists (
        select from pg_index as i
        where i.indrelid = f.conrelid and i.indisvalid and i.indpred is null
            and (i.indkey::int2[])[0:cardinality(f.conkey) - 1] @> f.conkey)
    group by f.oid
"""
DUPLICATE = f"""
    select 'indexes on ' || i.indrelid::regclass as object,
        string_agg(i.indexrelid::regclass::text, ' and ' order by i.indisprimary desc, i.indexrelid) as both,
        (array_agg(i.indexrelid::regclass::text order by i.indisprimary desc, i.indisunique desc, i.indexrelid))[2]
        as second
    from pg_index as i join pg_class as c on c.oid = i.indexrelid join pg_namespace as n on n.oid = c.relnamespace
    where {OURS}
    group by i.indrelid, i.indkey::text, i.indclass::text, i.indoption::text, i.indcollation::text, c.relam,
        coalesce(pg_get_expr(i.indpred, i.indrelid), ''), coalesce(pg_get_expr(i.indexprs, i.indrelid), '')
    having count(*) > 1
"""
INVALID = """
    select 'index ' || i.indexrelid::regclass as object, i.indexrelid::regclass::text as name
    from pg_index as i join pg_class as c on c.oid = i.indexrelid
    where not i.indisvalid and c.relkind = 'i'
"""
UNUSED = f"""
    select 'index ' || s.indexrelid::regclass as object, s.indexrelid::regclass::text as name, t.scans
    from pg_stat_user_indexes as s join pg_namespace as n on n.nspname = s.schemaname
    join pg_index as i on i.indexrelid = s.indexrelid and not i.indisunique and not i.indisexclusion
    -- An index that nobody asked says something only where its table was asked often.
    join lateral (select coalesce(u.seq_scan, 0) + coalesce(u.idx_scan, 0) as scans
        from pg_stat_user_tables as u where u.relid = s.relid) as t on t.scans >= 1000
    where {OURS} and s.idx_scan = 0
"""
NO_KEY = f"""
    select 'table ' || c.oid::regclass as object
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and {OURS} and not c.relispartition and n.nspname <> all(%(platform)s)
        and not exists (select from pg_constraint as k where k.conrelid = c.oid and k.contype = 'p')
"""
NOT_VALID = f"""
    select 'constraint ' || k.conname || ' on ' || k.conrelid::regclass as object,
        k.conrelid::regclass::text as "table", quote_ident(k.conname) as name
    from pg_constraint as k join pg_namespace as n on n.oid = k.connamespace
    where not k.convalidated and k.conrelid <> 0 and {OURS}
"""
REG_TYPES = f"""
    select 'column ' || c.oid::regclass || '.' || a.attname as object, a.atttypid::regtype::text as type
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm') and a.attnum > 0 and not a.attisdropped and {OURS} and a.atttypid = any(array[
        'regcollation', 'regconfig', 'regdictionary', 'regnamespace', 'regoper', 'regoperator', 'regproc',
        'regprocedure']::regtype[])
"""
PLATFORM_KEYS = f"""
    select 'foreign key ' || f.conname || ' on ' || f.conrelid::regclass as object, f.confrelid::regclass::text as other
    from pg_constraint as f join pg_namespace as n on n.oid = f.connamespace
    join pg_class as t on t.oid = f.confrelid join pg_namespace as s on s.oid = t.relnamespace
    where f.contype = 'f' and {OURS} and s.nspname = any(%(named_by_platform)s) and n.nspname <> s.nspname
        and not exists (
            select from pg_constraint as p
            where p.conrelid = f.confrelid and p.contype = 'p' and p.conkey <@ f.confkey and f.confkey <@ p.conkey)
"""
BLOAT = f"""
    select 'table ' || s.relid::regclass as object, s.relid::regclass::text as name, s.n_dead_tup as dead,
        s.n_live_tup as live
    from pg_stat_user_tables as s join pg_namespace as n on n.nspname = s.schemaname
    where {OURS} and s.n_dead_tup > 100000 and s.n_dead_tup > s.n_live_tup
"""

RULES = (
    Rule(
        "schema-create",
        Severity.high,
        "a schema in which everybody or an API role can create objects",
        "{role} can create objects in it, and so stand in for what a query means",
        "{revoke}",
        CREATE,
        ("CIS PostgreSQL 4.10",),
    ),
    Rule(
        "schema-undeclared",
        Severity.low,
        "a schema that isn't declared; worse where it is exposed",
        "components/structure.py doesn't declare it: {what}",
        "drop schema {name};",
        SCHEMAS,
        ("CIS PostgreSQL 4.10",),
    ),
    Rule(
        "extension-undeclared",
        Severity.low,
        "an extension that isn't declared, or isn't in its declared schema",
        "{what}",
        "{repair}",
        EXTENSIONS,
        ("splinter 0014_extension_in_public", "CIS PostgreSQL 1.8"),
    ),
    Rule(
        "extension-outdated",
        Severity.low,
        "an extension that is older than the server's",
        "it is version {is}, the server has {could}",
        "alter extension {name} update;",
        OUTDATED,
        ("splinter 0022_extension_versions_outdated", "CIS PostgreSQL 1.5"),
    ),
    Rule(
        "published-secrets",
        Severity.critical,
        "a publication that streams a table with credentials",
        "it streams {table} to every subscriber, whatever row security says",
        "{repair}",
        PUBLISHED_SECRETS,
    ),
    Rule(
        "published-undeclared",
        Severity.medium,
        "a publication that streams what isn't declared",
        "it streams {what}, which components/realtime.py doesn't declare",
        "{repair}",
        PUBLISHED,
    ),
    Rule(
        "subscription",
        Severity.medium,
        "a subscription: its connection holds a password",
        "it brings rows from elsewhere, past row security, and holds a login",
        "drop subscription {name};",
        SUBSCRIPTIONS,
    ),
    Rule(
        "foreign-server",
        Severity.medium,
        "a foreign server, or a login on one",
        "{what}",
        "{gone}",
        FOREIGN,
    ),
    Rule(
        "large-objects",
        Severity.low,
        "large objects, which no row policy guards",
        "{many} of them, which know no row security",
        "keep files in storage; select lo_unlink(oid) from pg_largeobject_metadata;",
        LARGE_OBJECTS,
    ),
    Rule(
        "foreign-key-unindexed",
        Severity.low,
        "a foreign key without an index that begins with its columns",
        "a delete on the other side reads the whole table",
        "create index concurrently on {table} ({columns});",
        UNINDEXED,
        ("splinter 0001_unindexed_foreign_keys",),
    ),
    Rule(
        "index-duplicate",
        Severity.low,
        "two equal indexes",
        "{both} are equal",
        "drop index concurrently {second};",
        DUPLICATE,
        ("splinter 0009_duplicate_index",),
    ),
    Rule(
        "index-invalid",
        Severity.medium,
        "an index that was left half built",
        "it is written and never read, and a unique one holds nothing",
        "reindex index concurrently {name};",
        INVALID,
    ),
    Rule(
        "index-unused",
        Severity.info,
        "an index that nobody asked, on a table that was asked a thousand times",
        "never used while its table was asked {scans} times",
        "drop index concurrently {name};",
        UNUSED,
        ("splinter 0005_unused_index",),
    ),
    Rule(
        "primary-key-missing",
        Severity.low,
        "a table without a primary key",
        "rows can't be told apart, nor replicated",
        "give it a primary key in a migration",
        NO_KEY,
        ("splinter 0004_no_primary_key",),
    ),
    Rule(
        "constraint-not-valid",
        Severity.low,
        "a constraint that was never proven for the rows that are there",
        "old rows may break it",
        "alter table {table} validate constraint {name};",
        NOT_VALID,
    ),
    Rule(
        "column-type-not-upgradable",
        Severity.low,
        "a column of a type that pg_upgrade refuses",
        "columns of type {type} keep the server from being upgraded",
        "alter table … alter column … type text, in a migration",
        REG_TYPES,
        ("splinter 0018_unsupported_reg_types",),
    ),
    Rule(
        "foreign-key-into-platform",
        Severity.medium,
        "a foreign key on something else than the primary key of a platform's table",
        "{other} is the platform's, and may lose that key",
        "refer to its primary key, in a migration",
        PLATFORM_KEYS,
        ("splinter 0021_fkey_to_auth_unique",),
    ),
    Rule(
        "table-bloat",
        Severity.info,
        "a table with more dead rows than live ones",
        "{dead} dead rows and {live} live ones",
        "vacuum (analyze) {name};",
        BLOAT,
        ("splinter 0020_table_bloat",),
    ),
)

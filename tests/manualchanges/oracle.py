"""What a database is, object by object, read without the stored snapshot: the measure of what a run has left behind."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from components.snapshot import NAME
from provider import snapshots

Dump = Mapping[tuple[str, str], str]
"""Object and facet to its definition."""
BESIDE = {
    # Other roles of the server don't matter here; an end that was reset is `infinity`.
    "role": """select rolname, to_jsonb(a) - 'oid' - 'rolvaliduntil' || jsonb_build_object('until',
        nullif(rolvaliduntil, 'infinity')) from pg_catalog.pg_authid a where rolname !~ '^(pg_|stray_)'""",
    "comment on role": """select rolname, to_jsonb(pg_catalog.shobj_description(oid, 'pg_authid'))
        from pg_catalog.pg_roles
        where rolname !~ '^(pg_|stray_)'""",
    "member": """select pg_catalog.concat(m.member::regrole, ' of ', m.roleid::regrole, ' by ', m.grantor::regrole),
        jsonb_build_object('admin', admin_option, 'inherit', inherit_option, 'set', set_option)
        from pg_catalog.pg_auth_members m where m.member >= 16384""",
    "settings": """select pg_catalog.concat(r.rolname, ' in ', d.datname), to_jsonb(s.setconfig)
        from pg_catalog.pg_db_role_setting s left join pg_catalog.pg_roles r on r.oid = s.setrole
        left join pg_catalog.pg_database d on d.oid = s.setdatabase""",
    "bucket": "select id, to_jsonb(b) - 'created_at' - 'updated_at' from storage.buckets b",
    "sealing_keys": "select id, to_jsonb(k) - 'created_at' from private.sealing_keys k",
    "migration": """select name, jsonb_build_array(version, checksum, down, statements, owners)
        from supabase_migrations.schema_migrations""",
    "platform migration": """select name, jsonb_build_array(version, checksum, down, statements, owners)
        from supabase_migrations.platform_migrations""",
    "begun": "select statement, to_jsonb(p) - 'at' from supabase_migrations.schema_migrations_progress p",
    # What was found when it was made is gone where somebody dropped it: it is the program's own then.
    "held": "select object, to_jsonb(owners) from supabase_migrations.managed_objects",
    "announced": "select object, to_jsonb(label) from supabase_migrations.schema_snapshot_pending",
}


def dump(connection: psycopg.Connection[tuple[Any, ...]], schemas: Sequence[str], beside: bool = True) -> Dump:
    """Everything that is there.

    Args:
        beside: also roles and rows, which no snapshot holds; if not, secrets are told as in the stored snapshot.
    """
    found: dict[tuple[str, str], str] = {}
    with connection.transaction():
        connection.execute("set local search_path = ''; set local jit = off")
        definitions = sql.SQL("with {} select object, definition from objects").format(
            # Beside it, the key of the stored snapshot would be part of what is compared.
            snapshots._definitions(None, schemas, None if beside else NAME)
        )
        for name, facets in connection.execute(definitions):
            found |= {(name, facet): text for facet, text in facets.items()}
        for kind, query in BESIDE.items() if beside else ():
            try:
                with connection.transaction():
                    found |= {(f"{kind} {key}", ""): str(facts) for key, facts in connection.execute(query.encode())}
            except psycopg.errors.UndefinedTable:
                found[kind, ""] = "gone"
    return found


def unlike(one: Dump, other: Dump) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """What is not the same in both, with both."""
    keys = sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
    return {key: (one.get(key), other.get(key)) for key in keys}


def stored(connection: psycopg.Connection[tuple[Any, ...]]) -> Dump:
    """What the stored snapshot says, in the form of a dump."""
    query = "select object, definition from supabase_migrations.schema_snapshot where object <> ''"
    return {(name, facet): text for name, facets in connection.execute(query) for facet, text in facets.items()}

"""What the tests of the audit trail share: reading entries and findings, and forging as a superuser could."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.sql.provision import ADA, Connection, row

SIGNED_IN = {"sub": ADA, "role": "authenticated"}
NEWEST = "select lane, entry from audit.log order by created_at desc, entry desc limit 1"


def entries(connection: Connection, relation: str, columns: str = "operation, row_id, old, new, withheld") -> list[Any]:
    """The entries of a table, in order, their personal values open."""
    query = f"select {columns} from audit.entries where relation = %s order by transaction, created_at, lane, entry"
    return connection.execute(query.encode(), (relation,)).fetchall()


def findings(connection: Connection, anchor: dict[str, Any] | None = None) -> list[tuple[str, int | None, int | None]]:
    """What `audit.verify` finds in the chains: kind, lane and entry."""
    query = "select kind, lane, entry from audit.verify(%s) where kind <> 'unguarded'"
    return connection.execute(query, (anchor and json.dumps(anchor),)).fetchall()


def project_of(connection: Connection, person: str, title: str = "private") -> str:
    query = "select id::text from public.projects where owner_id = %s and title = %s"
    return str(row(connection, query, (person, title))[0])


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """What a superuser can do, and nobody else: the tables of the trail without their triggers."""
    tables = (
        "select oid::regclass::text from pg_class where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p')"
    )
    for (name,) in connection.execute(tables).fetchall():
        connection.execute(f"alter table only {name} disable trigger _100_append_only".encode())
    yield
    for (name,) in connection.execute(tables).fetchall():
        connection.execute(f"alter table only {name} enable always trigger _100_append_only".encode())


def chain_again(connection: Connection) -> None:
    """What a thorough forger does: every hash computed again, in order, and the heads set right."""
    connection.execute("""
        do $$
        declare
            e audit.log;
            head audit.heads;
        begin
            for head in select * from audit.heads loop
                head.hash = '';
                head.entries = 0;
                for e in select * from audit.log where lane = head.lane order by entry loop
                    head.hash = private.audit_hash(head.hash, e);
                    head.entries = e.entry;
                    update audit.log set hash = head.hash where lane = e.lane and entry = e.entry;
                end loop;
                update audit.heads set hash = head.hash, entries = head.entries where lane = head.lane;
            end loop;
        end
        $$
    """)

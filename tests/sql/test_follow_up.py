"""Migrations of a database in use, applied by the real runner on the whole schema while rows come and go.

`follow_up/` is the example of how to fill a column: a backfill in batches, and a constraint that is added
without reading the table and validated while it is used.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from declared import sqlfiles
from declared.paths import CHECKOUT
from harness import schemadump
from harness.engine import Engine
from tests.sql.provision import ADA, Connection, row

FOLDER = Path(__file__).parent / "follow_up"
ROWS = 2500
# The constraint holds for every row, the index is whole, row security binds the owner again.
LOOK = """
select c.convalidated, i.indisvalid, t.relforcerowsecurity
from pg_class as t join pg_constraint as c on c.conrelid = t.oid join pg_index as i on i.indrelid = t.oid
where c.conname = 'object_scans_folder_check' and i.indexrelid = 'private.object_scans_folder_idx'::regclass
"""
STANDS = (True, True, True)
SCAN = "insert into private.object_scans (bucket_id, name, version) values ('audio', %s, gen_random_uuid()::text)"


@pytest.fixture
def engine(alone: Connection, provisioned_database: Any) -> Iterator[Engine]:
    """The provider, on the whole schema with scans in it from before."""
    alone.execute(
        "insert into private.object_scans (bucket_id, name, version) "
        "select 'audio', case n %% 2 when 0 then %s || '/' || n else 'shared/' || n end, n::text "
        "from generate_series(1, %s) as n",
        (ADA, ROWS),
    )
    found = Engine().configure({"url": provisioned_database.url})
    yield found
    found.close()


def declared() -> dict[str, Any]:
    steps = {step.name: step.checksum for step in sqlfiles.steps(FOLDER)}
    folder = str(FOLDER.relative_to(CHECKOUT))
    return {"folder": folder, "role": "app_owner", "history": "supabase_migrations.follow_up", "steps": steps}


@contextmanager
def uploads(url: str) -> Iterator[list[float]]:
    """Files that come as long as the migrations run; how many seconds each one waited."""
    end, waited = threading.Event(), list[float]()

    def upload() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not end.is_set():
                begun = time.monotonic()
                connection.execute(SCAN, (f"{ADA}/late{len(waited)}",))
                waited.append(time.monotonic() - begun)
                time.sleep(0.005)

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        yield waited
    finally:
        end.set()
        thread.join()


def test_the_example_fills_checks_and_indexes_a_table_in_use_and_goes_back(
    engine, alone, cluster, provisioned_database
):
    def dump() -> str:
        return schemadump.dump(cluster.programs, cluster.server, provisioned_database.name, *schemadump.LEFT_OUT)

    before = dump()
    with uploads(provisioned_database.url) as waited:
        there = engine.create("pg:index:MigrationSet", declared())
    assert len(waited) > 10, "nobody used the table meanwhile"
    assert max(waited) < 2
    assert row(alone, "select count(*) from private.object_scans") == (ROWS + len(waited),)
    wrong = "select count(*) from private.object_scans where folder is distinct from private.folder_of(name)"
    assert row(alone, wrong) == (0,)
    hers = "select count(*) from private.object_scans where folder = %s"
    assert row(alone, hers, (ADA,)) == (ROWS // 2 + len(waited),)
    assert any("0003_scan_folders_filled" in line and "rows" in line for line in engine.progress)
    assert row(alone, LOOK) == STANDS
    engine.update(there, declared() | {"steps": {}})
    assert dump() == before

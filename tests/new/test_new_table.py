"""What `./vpb new table` writes, on a real server: as it is, without an edit, it holds for each kind of owner."""

import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from declared import sqlfiles
from harness import schemadump
from harness.checkout import Scratch
from ops.new.templates import OWNERS
from tests.sql import provision
from tests.sql.provision import row

# The last one also lists what the one before it has listed.
NAMES = {owner: f"kept_by_{owner}" for owner in OWNERS}
# What a table can break beside its own test.
FILES = (
    "test_matrix",
    "test_catalogue",
    "test_departures",
    "test_service_role",
    "test_lint",
    "test_pages",
)
TESTS = [f"tests/sql/{name}.py" for name in (*(f"test_public_{name}" for name in NAMES.values()), *FILES)]
ONLY = (
    "kept_by or has_every_table or test_catalogue or test_departures or test_service_role or squawk_has_nothing "
    "or test_pages"
)


@pytest.fixture(scope="module")
def copy() -> Iterator[Scratch]:
    """A copy of the checkout with a table of each kind."""
    with Scratch() as scratch:
        for owner, name in NAMES.items():
            run = scratch.start("-m", "ops", "new", "table", name, "--owner", owner).wait()
            assert run.status == 0, run.output
        yield scratch


def python(copy: Scratch, *words: str) -> str:
    """What Python said in the copy, where it ended well."""
    environment = copy.environment | {
        "VPB_TEST_POSTGRES": "wheel",
        "PYTHONPATH": f"{copy.folder}:{copy.folder}/clients/python",
    }
    # The run around this one has said how its workers find each other.
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, *words], cwd=copy.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def test_tests_golden_files_and_linters_hold_without_an_edit(copy, tmp_path):
    python(copy, "-W", "ignore", "-m", "generate")
    python(copy, "-m", "ruff", "format", "--check", "declared", "tests")
    python(copy, "-m", "ruff", "check", "declared", "tests")
    ours = [str(path) for name in NAMES.values() for path in (copy.folder / "sql").glob(f"*s/*{name}*.sql")]
    assert len(ours) == 9
    python(copy, "-m", "sqlfluff", "lint", "--nocolor", *ours)
    options = ("-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "t"), "-k", ONLY)
    said = python(copy, "-m", "pytest", *options, *TESTS)
    assert "failed" not in said
    assert "passed" in said


def test_every_guard_of_its_policies_is_missed_by_the_access_matrix(copy):
    said = python(copy, "-m", "tests.sql.mutants", "--only", "kept_by", "--verbose")
    assert "missed" not in said
    # Of each kind of owner some; servers have rights alone to be noticed.
    assert {owner for owner, name in NAMES.items() if f"noticed: public.{name}: " in said} == {*OWNERS}
    assert "noticed: kept_by_person_delete_departed: using (true)" in said


def test_a_rollback_takes_the_tables_away_and_leaves_what_was_before(copy, connection, cluster, framed):
    steps = sqlfiles.steps(copy.folder / "sql/migrations")
    ours = [step for step in steps if step.name.partition("_")[2] in NAMES.values()]
    assert len(ours) == len(NAMES)
    provision.migrate_up(connection)
    columns = "select array_agg(c::text order by c::text) from private.personal_columns() as c"
    tables = "select count(*) from pg_class where relkind = 'r' and relname like 'kept_by_%%'"
    before = row(connection, columns)
    dumped = schemadump.dump(cluster.programs, cluster.server, framed.name, "--exclude-schema=supabase_migrations")
    provision.migrate(connection, "sql/migrations", root=copy.folder)
    assert row(connection, tables, ()) == (len(NAMES),)
    assert len(row(connection, columns)[0]) == len(before[0]) + 2
    provision.migrate(connection, "sql/migrations")
    assert (row(connection, tables, ()), row(connection, columns)) == ((0,), before)
    again = schemadump.dump(cluster.programs, cluster.server, framed.name, "--exclude-schema=supabase_migrations")
    assert again == dumped


@pytest.fixture
def connection(framed) -> Iterator[provision.Connection]:
    """The superuser, on a database with roles and schemas and nothing else."""
    with psycopg.connect(framed.url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        yield connection

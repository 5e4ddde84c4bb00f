"""Splinter, Supabase's own database linter, as Supabase's language server brings it: nothing above a remark."""

import json
import os
import platform
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.clients.world import Complete
from tests.conftest import absent
from toolchain import node

# Half of the rules look at exposed schemas only, and say nothing at all where none are named.
EXPOSED = "?options=" + quote("-c pgrst.db_schemas=public,next_auth", safe="")
# Months of analytics are closed to everybody on purpose; an index of a fresh database was never used.
REMARKS = {"rlsEnabledNoPolicy", "unusedIndex"}

BAD = """
create schema auth;
create schema storage;
create table storage.buckets (id text, name text, public boolean);
create table storage.objects (id uuid primary key, bucket_id text);
create function auth.uid() returns uuid language sql stable set search_path = '' as 'select null::uuid';
create table public.logins (name text, password text);
grant select on public.logins to anon;
create table public.notes (id uuid primary key);
alter table public.notes enable row level security;
create policy notes_select on public.notes for select to anon using (auth.uid() = id);
create function public.mutable() returns integer language sql as 'select 1';
"""


@pytest.fixture
def splinter(packages: node.Packages, tmp_path: Path):
    """Runs it on a connection URL; what it says, by level, as names of its rules."""
    machine = {"x86_64": "x86_64", "aarch64": "aarch64"}.get(platform.machine())
    program = packages.modules / "@postgrestools" / f"cli-{machine}-linux-gnu" / "postgrestools"
    if not program.exists():
        absent(f"no splinter for {platform.system()} on {platform.machine()} in npm's @postgrestools")

    def run(url: str) -> dict[str, set[str]]:
        done = subprocess.run(
            [program, "dblint", "--reporter=json", "--max-diagnostics=200"],
            env={"PATH": os.defpath, "HOME": str(tmp_path), "DATABASE_URL": url},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        found: dict[str, set[str]] = {"error": set(), "warning": set(), "info": set()}
        for diagnostic in json.loads(done.stdout)["diagnostics"]:
            found[diagnostic["severity"]].add(diagnostic["category"].rpartition("/")[2])
        return found

    return run


def test_splinter_has_nothing_to_say_but_remarks_and_one_exception(splinter, complete: Complete) -> None:
    found = splinter(complete.database.url + EXPOSED)
    # Of `ops.keep_partitions` alone: a procedure that commits can't have its path pinned. All others are held to
    # it by the catalogue's test.
    assert (found["error"], found["warning"]) == (set(), {"functionSearchPathMutable"})
    assert found["info"] <= REMARKS


def test_splinter_sees_what_is_wrong_in_a_database_that_is(splinter, database, complete: Complete) -> None:
    """The control, and why the exposed schemas are named: without them it calls the worst of this fine."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(BAD.encode())
    found = splinter(database.url + EXPOSED)
    assert {"rlsDisabledInPublic", "sensitiveColumnsExposed"} <= found["error"]
    assert {"authRlsInitplan", "functionSearchPathMutable"} <= found["warning"]
    assert splinter(database.url)["error"] == set()

"""A dump that the backup login takes is, restored into an empty server as docs/backups.md says, the environment."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from declared.paths import CHECKOUT
from declared.roles import ROLES
from harness import scratch, stack
from harness.schemadump import portable
from harness.stack import Stack
from local import postgres
from ops import rekey
from provider import spellings
from tests.conftest import FAST, Cluster, Database
from tests.sql import provision

# One environment for all of them.
pytestmark = pytest.mark.xdist_group("restore")
NAME = "environment"
ANOTHER = "this is another database than the one the migrations were applied to"
USAGE = """
insert into analytics.api_usage (user_id, project_id, provider, model, tokens_in, tokens_out, cost)
select p.owner_id, p.id, 'a', 'b', 1000, 1000, 0.1 from public.projects as p;
insert into public.project_components (project_id, kind) select p.id, 'text' from public.projects as p"""
TOKEN = "token-7f3a"
ACCOUNT = """
insert into next_auth.accounts ("userId", provider, type, "providerAccountId", access_token)
values (%s, 'github', 'oidc', '1', %s)"""
OPENED = "select access_token from authjs.accounts"
SUMMARIES = ("project_totals", "usage_overview")


@dataclass
class Source:
    """An environment with rows in it and what its backup login has taken."""

    stack: Stack
    database: Database
    dump: Path
    roles: str


@dataclass
class Restored:
    """The same on another server."""

    server: postgres.RunningServer
    programs: Path
    source: Source

    @property
    def stack(self) -> Stack:
        """The stack with the state from before."""
        return replace(self.source.stack, url=self.server.url(NAME), state=dict(self.source.stack.state))


def output(program: Path, *arguments: object, text: str | None = None) -> str:
    done = subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(cluster: Cluster, frame: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    database = cluster.create(NAME, str(psycopg.conninfo.conninfo_to_dict(frame.url)["dbname"]))
    made = frame.moved(database.url, scratch.identity(frame.url), scratch.identity(database.url))
    made.declared = stack.declaration(NAME)
    assert made.up().errors == {}
    with psycopg.connect(database.url, autocommit=True) as connection:
        provision.add_people(connection)
        connection.execute(ACCOUNT.encode(), (provision.ADA, TOKEN))
        connection.execute(USAGE)
        connection.execute("select ops.refresh_summaries()")
        # Somebody's with enough rights: the backup can't read it.
        connection.execute("select lo_from_bytea(0, 'x')")
    password = next(
        thing.state["password"] for name, thing in made.state.items() if name.startswith("roles-backup-password")
    )
    login = replace(database, user="backup", password=password)
    dump = tmp_path_factory.mktemp("backup") / "app.dump"
    output(cluster.programs / "pg_dump", "-Fc", "-B", "-f", dump, "-d", login.url)
    roles = output(cluster.programs / "pg_dumpall", "--roles-only", "--no-role-passwords", "-d", login.url)
    yield Source(made, database, dump, roles)
    cluster.drop(NAME)


@pytest.fixture(scope="module", params=["own version", "newer version"])
def restored(
    request: pytest.FixtureRequest, cluster: Cluster, source: Source, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restored]:
    """Restored into a server of its own, as docs/backups.md says."""
    programs = cluster.programs
    if request.param == "newer version":
        programs = postgres.wheel_binaries()
        if programs == cluster.programs:
            pytest.skip("this is the newest")
    folder = tmp_path_factory.mktemp("restored")
    server = postgres.ensure(folder, programs, FAST)
    try:
        output(programs / "psql", "-q", "-d", server.url(), text=source.roles)
        listed = output(programs / "pg_restore", "-C", "-l", source.dump)
        contents = folder / "database.list"
        contents.write_text("\n".join(line for line in listed.splitlines() if " DATABASE " in line))
        output(programs / "pg_restore", "-C", "-L", contents, "-d", server.url(), source.dump)
        output(programs / "pg_restore", "-1", "-d", server.url(NAME), source.dump)
        yield Restored(server, programs, source)
    finally:
        postgres.remove(folder, programs)


def test_its_dump_is_the_dump_that_it_was_made_of(restored: Restored):
    was = statements(restored.programs, restored.source.database.url)
    now = statements(restored.programs, restored.server.url(NAME))
    assert len(was) == len(now) > 1000
    other = [(one, two) for one, two in zip(was, now, strict=True) if one != two and not spellings.same(one, two)]
    assert [pair for pair in other if "-- Dumped from database version" not in pair[0]] == []


def statements(programs: Path, url: str) -> list[str]:
    text = portable(output(programs / "pg_dump", "-B", "-d", url))
    return [
        statement
        for part in re.split(r"\n--\n-- .*\n--\n", re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE))
        for statement in part.split(";\n\n")
    ]


def test_the_trail_is_whole_its_triggers_stand_and_the_summaries_are_there(restored: Restored):
    asked = {}
    for url in (restored.source.database.url, restored.server.url(NAME)):
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.execute("select * from audit.verify()").fetchall() == []
            triggers = "select tgenabled, count(*) from pg_trigger where not tgisinternal group by 1 order by 1"
            counts = [connection.execute(triggers).fetchall()]
            for summary in SUMMARIES:
                query = sql.SQL("select * from analytics.{} as s order by s::text").format(sql.Identifier(summary))
                counts.append(connection.execute(query).fetchall())
            asked[url] = counts
    was, now = asked.values()
    assert now == was
    assert [len(each) > 0 for each in was] == [True, True, False]


def test_tokens_open_with_the_key_of_the_state_and_the_trail_with_those_of_the_dump(restored: Restored):
    private = restored.source.stack.state["encryption-k1"].state["privateKey"]
    with psycopg.connect(restored.server.url(NAME), autocommit=True) as connection:
        lying = provision.row(connection, "select access_token from next_auth.accounts")[0]
        assert lying.startswith("pgp:k1:")
        with provision.acting_as(connection, "authjs"):
            provision.refused(connection, psycopg.errors.ObjectNotInPrerequisiteState, OPENED)
            connection.execute("select set_config('vpb.keys', %s, true)", (f"k1:{private}",))
            assert provision.row(connection, OPENED) == (TOKEN,)
        entry = "select new ->> 'email' from audit.{} where relation = 'next_auth.users' and row_id = '{}'"
        assert provision.row(connection, entry.format("log", provision.ADA))[0].startswith("sealed:")
        assert provision.row(connection, entry.format("entries", provision.ADA)) == ("ada@example.org",)
        with connection.transaction(force_rollback=True):
            connection.execute("delete from private.audit_keys")
            assert provision.row(connection, entry.format("entries", provision.ADA)) == (None,)


def test_nothing_differs_and_up_takes_it_over(restored: Restored):
    assert_taken_over(restored.stack)


def assert_taken_over(environment: Stack) -> None:
    """`up` sets the passwords, and then nothing differs."""
    for run in (environment.preview(), environment.up()):
        assert run.errors == {}
        # The passwords are the state's, and in no dump.
        assert run.changes == {f"roles-{name}": ["verifier"] for name, spec in ROLES.items() if spec.login}
        said = {line.rpartition(": ")[2] for line in run.messages}
        assert said == {ANOTHER, "verifier was changed manually"}
    assert environment.preview().text == []


def test_without_the_state_it_is_taken_over_too(restored: Restored):
    with psycopg.connect(restored.server.url(), autocommit=True) as connection:
        connection.execute(f"create database stateless template {NAME}".encode())
    url = restored.server.url("stateless")
    environment = Stack(url, stack.declaration("stateless"))
    stopped = environment.up()
    assert stopped.errors.keys() == {"encryption-keys"}
    assert "[k1] seals 1 tokens here and isn't the declared key" in stopped.errors["encryption-keys"]
    with psycopg.connect(url, autocommit=True) as connection:
        assert rekey.forget(connection, "k1") == 1
    run = environment.up()
    assert run.errors == {}
    assert [line for line in stopped.messages + run.messages if "manually" in line] == []
    assert environment.preview().text == []


@pytest.fixture
def moving(cluster: Cluster, source: Source) -> Iterator[Stack]:
    """The environment once more, on the same server."""
    database = cluster.create("moving", NAME)
    made = source.stack.moved(database.url, scratch.identity(source.stack.url), scratch.identity(database.url))
    made.declared = stack.declaration("moving")
    assert made.up().errors == {}
    yield made
    cluster.drop("moving")


def test_it_moves_to_another_server_while_people_write(moving: Stack, tmp_path_factory: pytest.TempPathFactory):
    programs = postgres.wheel_binaries()
    folder = tmp_path_factory.mktemp("moved")
    server = postgres.ensure(folder, programs, FAST)
    new = server.url("moving")
    urls = {"old": moving.url, "server": server.url(), "new": new}
    environment = os.environ | urls | {"PATH": f"{programs}:{os.environ['PATH']}"}
    follow, switch = re.findall("```sh\n(.*?)```", section("Moving without downtime"), re.DOTALL)
    done = threading.Event()
    writer = threading.Thread(target=write, args=(moving.url, done))
    try:
        writer.start()
        try:
            run_commands(follow, folder, environment)
        finally:
            done.set()
            writer.join()
        # The copies are done: this is followed.
        write(moving.url, done)
        assert run_commands(switch, folder, environment) == ""
        assert rows(new) == rows(moving.url)
        assert_taken_over(replace(moving, url=new))
        with psycopg.connect(new, autocommit=True) as connection:
            entries = "select count(*) from audit.log"
            before = provision.row(connection, entries)[0]
            connection.execute("update public.projects set title = 'written after the switch'")
            assert provision.row(connection, entries)[0] > before > 0
            assert connection.execute("select * from audit.verify()").fetchall() == []
            assert connection.execute("select * from pg_sequences").fetchall() == [], "its value doesn't follow"
    finally:
        postgres.remove(folder, programs)


def section(title: str) -> str:
    text = (CHECKOUT / "docs" / "backups.md").read_text()
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def run_commands(text: str, folder: Path, environment: dict[str, str]) -> str:
    """Commands of a page, as a shell runs them; what they print."""
    done = subprocess.run(
        ["sh", "-eu"], input=text, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(url: str, done: threading.Event) -> None:
    """Rows of every kind come, change and go."""
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            connection.execute(USAGE)
            connection.execute("update public.projects set title = 'written ' || clock_timestamp()")
            connection.execute(
                "delete from public.project_components where id in (select id from public.project_components limit 3)"
            )
            connection.execute("select ops.refresh_summaries()")
            if done.wait(0.1):
                return


def rows(url: str) -> dict[str, tuple[Any, ...]]:
    """How many rows each table has, and what they are; each server records changes of its own structure."""
    tables = """
        select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where c.relname <> 'structure_changes'
            and c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_|^information_schema$' """
    counts = "select count(*), md5(string_agg(t::text, '' order by t::text)) from {} as t"
    with psycopg.connect(url) as connection:
        return {
            f"{schema}.{name}": provision.row(
                connection, sql.SQL(counts).format(sql.Identifier(schema, name)).as_string(connection)
            )
            for schema, name in connection.execute(tables).fetchall()
        }


@pytest.mark.parametrize("call", ["lo_create(0)", "lo_creat(131072)", "lo_from_bytea(0, 'x')"])
def test_nobody_makes_a_large_object(people: provision.Connection, call: str):
    for role in ("anon", "authenticated", "service_role", "app_owner", "authjs", "monitor"):
        with provision.acting_as(people, role):
            provision.refused(people, psycopg.errors.InsufficientPrivilege, f"select {call}")

"""Templates, clones and leftovers, by the commands, in a copy of the checkout and without the engine."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from harness.checkout import Finished, Run, Scratch
from local import postgres

# What `branch template` does, with a database that has what a clone hands over and a canary in the place of rows.
TEMPLATE = """
import sys, time
from datetime import UTC, datetime
import psycopg
from harness import branches
with branches.making("dev") as made:
    with psycopg.connect(made.url, autocommit=True) as session:
        session.execute("create schema supabase_migrations; create table public.kept as select 42 as answer")
        for name in ("managed_objects", "schema_migrations", "platform_migrations"):
            session.execute(f"create table supabase_migrations.{name} (owners text[])")
        held = "insert into supabase_migrations.managed_objects values (array['urn:pulumi:dev::database::a::b'])"
        session.execute(held)
    print("rows", flush=True)
    if sys.argv[1:]:
        time.sleep(600)
    made.finish(datetime.now(UTC), 1, 1)
"""


@dataclass
class World:
    """A copy of the checkout, which has a template of dev."""

    scratch: Scratch

    def vpb(self, *words: str) -> Finished:
        return self.run("-m", "ops", *words).wait()

    def run(self, *words: str) -> Run:
        return Run([sys.executable, *words], self.scratch.folder, self.scratch.environment)

    def listed(self) -> dict[str, list[dict[str, object]]]:
        found: dict[str, list[dict[str, object]]] = json.loads(self.vpb("branch", "list", "--json").output)
        return found

    def server(self, stack: str) -> postgres.RunningServer:
        return postgres.ensure(self.scratch.folder / ".local" / stack)

    def asked(self, stack: str, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.server(stack).url(), autocommit=True) as session:
            return session.execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Scratch() as scratch:
        made = World(scratch)
        assert made.vpb("branch", "new", "pr-1").output.startswith(
            "error: there is no template of stack dev; there are: none; `./vpb branch template --from dev` makes one"
        )
        done = made.run("-c", TEMPLATE).wait()
        assert done.status == 0, done.output
        yield made
        for stack in ("pr-1", "pr-2", "dev"):
            postgres.remove(scratch.folder / ".local" / stack)
        made.vpb("branch", "template", "--remove")


def test_two_clones_are_of_their_own_and_go_one_by_one(world: World) -> None:
    runs = [world.run("-m", "ops", "branch", "new", name) for name in ("pr-1", "pr-2")]
    for run in runs:
        done = run.wait()
        assert done.status == 0, done.output
    one, two = (world.server(name) for name in ("pr-1", "pr-2"))
    assert one.port != two.port
    assert one.password != two.password
    holders = "select owners[1] from supabase_migrations.managed_objects"
    for name in ("pr-1", "pr-2"):
        assert world.asked(name, "select answer from public.kept") == [(42,)]
        assert world.asked(name, holders) == [(f"urn:pulumi:{name}::database::a::b",)]
    world.asked("pr-1", "delete from public.kept returning 1")
    assert world.asked("pr-2", "select answer from public.kept") == [(42,)]
    again = world.vpb("branch", "new", "pr-1")
    assert (again.status, again.output) == (
        1,
        "error: stack pr-1: is there already; --replace puts another one in its place; nothing was changed\n",
    )
    assert world.vpb("branch", "new", "pr-1", "--replace").status == 0
    assert world.asked("pr-1", "select answer from public.kept") == [(42,)]
    assert [each["stack"] for each in world.listed()["branches"]] == ["pr-1", "pr-2"]
    assert world.vpb("branch", "drop", "pr-1").status == 0
    assert [each["stack"] for each in world.listed()["branches"]] == ["pr-2"]
    assert world.asked("pr-2", "select answer from public.kept") == [(42,)]
    assert world.vpb("branch", "drop", "pr-2").status == 0
    for server in (one, two):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.url())
    assert [path.name for path in (world.scratch.folder / ".local").iterdir()] == ["templates"]


def test_another_stack_is_neither_dropped_nor_replaced(world: World) -> None:
    world.server("dev")
    for words in (("drop", "dev"), ("new", "dev", "--replace")):
        done = world.vpb("branch", *words)
        assert done.status == 1
        assert "stack dev: is" in done.output
        assert "nothing was" in done.output
    assert world.asked("dev", "select 1") == [(1,)]
    (world.scratch.folder / "Pulumi.own.yaml").write_text("config:\n  database:target: aws\n")
    assert "its file names a server, and clones are servers of this machine" in world.vpb("branch", "new", "own").output
    postgres.remove(world.scratch.folder / ".local" / "dev")
    (world.scratch.folder / ".local" / "dev").rmdir()


def test_a_killed_copy_is_no_template_and_is_found_and_removed(world: World) -> None:
    run = world.run("-c", TEMPLATE, "killed")
    while "rows" not in run.output:
        assert run.process.poll() is None, run.output
    busy = world.vpb("branch", "sweep")
    assert (busy.status, busy.output) == (0, "nothing is left over\n"), "it is being made"
    os.kill(run.process.pid, signal.SIGKILL)
    run.wait()
    (template,) = world.listed()["templates"]
    found = world.vpb("branch", "sweep", "--json")
    assert found.status == 2
    (left,) = json.loads(found.output)
    assert (left["kind"], left["why"], left["removed"]) == ("template", "was begun and isn't finished", False)
    assert left["name"] != template["folder"]
    assert world.vpb("branch", "sweep", "--remove").status == 0
    assert world.scratch.processes() == [], "its server has ended"
    assert world.listed()["templates"] == [template]
    assert world.vpb("branch", "sweep").output == "nothing is left over\n"


def test_what_is_old_goes_unless_it_is_kept_and_what_is_half_made_goes(world: World) -> None:
    for name in ("pr-1", "pr-2"):
        assert world.vpb("branch", "new", name).status == 0
    assert world.vpb("branch", "sweep").status == 0, "they are younger than a week"
    kept = world.vpb("branch", "sweep", "--older", "0h", "--keep", "pr-2", "--keep", "pr-7")
    assert (kept.status, "stack pr-1" in kept.output, "pr-2" in kept.output) == (2, True, False)
    assert world.vpb("branch", "sweep", "--older", "0h", "--keep", "pr-2", "--remove").status == 0
    note = world.scratch.folder / ".local" / "pr-2" / "branch.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "complete": False}))
    done = world.vpb("branch", "sweep", "--keep", "pr-2", "--remove")
    assert (done.status, done.output) == (0, "stack pr-2: was begun and isn't finished; removed\n")
    assert world.listed()["branches"] == []
    assert world.vpb("branch", "sweep", "--older", "soon").output.startswith("error: --older 'soon': must be a number")


@pytest.mark.skipif(os.geteuid() != 0, reason="another account runs servers for root alone")
def test_data_whose_folder_was_deleted_is_found_and_its_server_ended(world: World) -> None:
    assert world.vpb("branch", "new", "pr-1").status == 0
    server = world.server("pr-1")
    subprocess.run(["rm", "-rf", world.scratch.folder / ".local" / "pr-1"], check=True)
    found = world.vpb("branch", "sweep")
    assert (found.status, found.output.startswith("data ")) == (2, True)
    assert world.vpb("branch", "sweep", "--remove").status == 0
    assert world.vpb("branch", "sweep").status == 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url())

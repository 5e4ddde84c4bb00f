"""Rows of a table come back from a backup: what is missing, on request what differs, and all of it or nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pyrage
import pytest

from ops import __main__ as ops
from ops.backups import checking, making, options, rows
from ops.backups.errors import BackupError, BadBackup
from ops.backups.rows import Plan, Restored
from ops.environment import Environment
from tests.conftest import Cluster
from tests.objects.test_backups import Memory

pytestmark = pytest.mark.xdist_group("backups")
IDENTITY = pyrage.x25519.Identity.generate()
TABLES = """
create table people (id int primary key, name text, changed timestamptz default '2026-01-01', upper_name text
    generated always as (upper(name)) stored);
create table "odd, things" (a int generated always as identity, "b c" text, person int references people,
    parent int, j json, primary key ("b c", a));
alter table "odd, things" add foreign key ("b c", parent) references "odd, things";
create table keyless (id int);
create table pairs (one int, two int, primary key (one, two));
create function touch() returns trigger language plpgsql as $$ begin new.changed = '2026-02-02'; return new; end $$;
create trigger touch before update on people for each row execute function touch();
insert into people select g, 'person ' || g from generate_series(1, 5) as g;
insert into "odd, things" ("b c", person, j) values ('x', 1, '{"a": 1}'), ('x', 2, null), ('x', 3, '[]');
update "odd, things" set parent = 3 where a = 1;
insert into pairs values (1, 1), (1, 2);
create schema supabase_migrations;
create table supabase_migrations.schema_migrations (version text primary key);
"""


@pytest.fixture(scope="module")
def backed_up(cluster: Cluster) -> Iterator[tuple[Memory, str]]:
    database = cluster.create("restored_rows", "template0")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(TABLES.encode())
    place = Memory()
    making.Making("dev", database.url, place, [IDENTITY.to_public()]).run()
    yield place, database.url
    cluster.drop(database.name)


@pytest.fixture
def damaged(backed_up: tuple[Memory, str]) -> Iterator[psycopg.Connection[Any]]:
    """For what a test loses; afterwards all is as it was."""
    with psycopg.connect(backed_up[1], autocommit=True) as connection:
        yield connection
        connection.execute('drop table people, "odd, things", pairs, keyless cascade; drop function touch cascade')
        connection.execute("drop schema supabase_migrations cascade")
        connection.execute(TABLES.encode())


@contextmanager
def restored(backed_up: tuple[Memory, str], name: str) -> Iterator[Restored]:
    backup = checking.named(backed_up[0], None)
    with rows.restored(backed_up[1], backup, backup.manifest([IDENTITY]), name, [IDENTITY]) as task:
        yield task


def contents(connection: psycopg.Connection[Any], table: str) -> list[Any]:
    return connection.execute(f"select t::text from {table} as t order by 1".encode()).fetchall()


def test_what_is_missing_is_inserted_and_what_differs_is_named_and_stays(backed_up, damaged):
    was = contents(damaged, "people")
    damaged.execute('delete from "odd, things" where person = 2')
    damaged.execute("delete from people where id in (2, 4); insert into people values (9, 'new')")
    damaged.execute("update people set name = 'other' where id = 5")
    with restored(backed_up, "public.people") as task:
        plan = task.plan()
        assert plan == Plan(missing=2, differing=1, same=2, only_there=1)
        assert plan.different == [('{"id": 5}', ["changed", "name"])]
        assert task.write(plan, replace=False).differing == 1
    now = contents(damaged, "people")
    assert len(now) == 6
    assert {*was} - {*now} == {('(5,"person 5","2026-01-01 00:00:00+00","PERSON 5")',)}
    with restored(backed_up, "public.people") as task:
        assert task.write(task.plan(), replace=True).differing == 1, "the trigger says when it was changed"
    assert damaged.execute("select name, changed::date::text from people where id = 5").fetchone() == (
        "person 5",
        "2026-02-02",
    )


def test_names_identities_keys_of_several_columns_and_rows_that_name_each_other(backed_up, damaged):
    was = contents(damaged, '"odd, things"')
    damaged.execute('delete from "odd, things"')
    with restored(backed_up, "public.odd, things") as task:
        assert task.write(task.plan(), replace=False).differing == 0
    assert contents(damaged, '"odd, things"') == was
    damaged.execute("delete from pairs where two = 2")
    with restored(backed_up, "public.pairs") as task:
        assert task.plan() == Plan(1, 0, 1, 0)
        assert task.write(task.plan(), replace=True).differing == 0
    damaged.execute("""update "odd, things" set j = '[1]' where a = 3""")
    with restored(backed_up, "public.odd, things") as task:
        assert task.plan().different == [('{"a": 3, "b c": "x"}', ["j"])]
        assert task.write(task.plan(), replace=True).differing == 0
    assert contents(damaged, '"odd, things"') == was


def test_rows_whose_person_is_gone_stay_gone_with_those_that_name_them(backed_up, damaged):
    damaged.execute('delete from "odd, things"; delete from people where id in (2, 3)')
    with restored(backed_up, "public.odd, things") as task:
        plan = task.plan()
        assert (plan.missing, plan.left_out) == (0, [("public.people", 2), ("public.odd, things", 1)])


def test_whose_person_goes_meanwhile_is_refused_and_nothing_is_changed(backed_up, damaged):
    damaged.execute('delete from "odd, things"')
    with restored(backed_up, "public.odd, things") as task:
        damaged.execute("delete from people where id = 2")
        plan = task.plan()
        with pytest.raises(BackupError, match="was written to meanwhile; nothing was changed"):
            task.write(plan, replace=False)
    assert contents(damaged, '"odd, things"') == []
    damaged.execute("insert into people values (2, 'again')")
    damaged.execute(
        "create function other() returns trigger language plpgsql as $$ begin new.person = 99; return new; end $$;"
        'create trigger other before insert on "odd, things" for each row execute function other()'
    )
    with restored(backed_up, "public.odd, things") as task, pytest.raises(BackupError) as caught:
        task.write(task.plan(), replace=False)
    damaged.execute("drop function other cascade")
    assert "name others that aren't there (odd, things_person_fkey of public.odd, things); " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(damaged, '"odd, things"') == []


def test_what_was_written_since_the_plan_or_is_changed_by_a_trigger_changes_nothing(backed_up, damaged):
    damaged.execute("delete from people where id = 4")
    with restored(backed_up, "public.people") as task:
        plan = task.plan()
        damaged.execute("insert into people values (4, 'meanwhile')")
        with pytest.raises(BackupError, match="was written to meanwhile; nothing was changed"):
            task.write(plan, replace=False)
    damaged.execute("delete from people where id = 4")
    damaged.execute("create trigger more before insert on people for each row execute function touch()")
    with restored(backed_up, "public.people") as task:
        plan = task.plan()
        with pytest.raises(BackupError, match="its triggers make other rows of these; nothing was changed"):
            task.write(plan, replace=False)
    assert damaged.execute("select count(*) from people where id = 4").fetchone() == (0,)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("people", "has no table of this name; write it with its schema, as in public.people"),
        ("public.nothing", "has no table of this name that isn't partitioned itself"),
        ("public.keyless", "has no primary key that the backup has"),
        ("supabase_migrations.schema_migrations", "aren't restored by themselves: `up` notes there"),
    ],
)
def test_what_can_not_be_compared_is_refused(backed_up, name, said):
    with pytest.raises(BackupError) as caught, restored(backed_up, name):
        pass
    assert said in str(caught.value)


def test_a_table_that_is_not_what_it_was_is_refused(backed_up, damaged):
    damaged.execute("alter table pairs rename two to three")
    with pytest.raises(BackupError, match="has no column two any more"), restored(backed_up, "public.pairs"):
        pass
    damaged.execute("alter table pairs rename to others")
    with pytest.raises(BackupError, match="isn't in the database; `up` makes it"), restored(backed_up, "public.pairs"):
        pass
    damaged.execute("create view pairs as select * from others")
    with pytest.raises(BackupError, match="is a view in the database now, and was a table"):
        with restored(backed_up, "public.pairs"):
            pass
    damaged.execute("drop view pairs; alter table others rename to pairs")


def test_a_part_of_another_backup_changes_nothing(backed_up, damaged):
    place = replace(backed_up[0], objects=dict(backed_up[0].objects))
    making.Making("dev", backed_up[1], place, [IDENTITY.to_public()]).run()
    damaged.execute("delete from pairs")
    first, second = checking.listed(place)
    (part,) = next(table for table in first.manifest([IDENTITY]).tables if table.name == "pairs").parts
    place.objects[f"{first.id}/{part.name}"] = place.objects[f"{second.id}/manifest.age"]
    with pytest.raises(BadBackup), restored((place, backed_up[1]), "public.pairs"):
        pass
    assert contents(damaged, "pairs") == []


@pytest.fixture
def stack(backed_up, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {"admin_url": backed_up[1], "backup_url": backed_up[1]}
    monkeypatch.setattr(Environment, "of", classmethod(lambda cls, name: Environment(name, outputs)))
    monkeypatch.setattr(options, "place", lambda *_: backed_up[0])
    monkeypatch.setattr(options, "identities", lambda *_, needed: [IDENTITY])
    monkeypatch.setattr(options, "store", lambda environment: None)
    monkeypatch.setattr(options.engine, "backups", lambda stack: None)


@pytest.mark.usefixtures("stack")
def test_the_command_shows_asks_and_keeps_what_it_replaces(backed_up, damaged, capsys):
    damaged.execute("delete from pairs; update people set name = 'other' where id = 5")
    assert ops.main(["restore", "table", "public.pairs", "--dry-run"]) == 0
    assert "2 rows are inserted, 0 differ, 0 are as they were, 0 aren't in the backup" in capsys.readouterr().out
    assert ops.main(["restore", "table", "public.pairs"]) == 1
    assert "stack dev: this writes to table public.pairs; confirm with --confirm dev" in capsys.readouterr().err
    assert ops.main(["restore", "table", "public.pairs", "--confirm", "prod"]) == 1
    assert "--confirm names 'prod'; nothing was changed" in capsys.readouterr().err
    assert contents(damaged, "pairs") == []
    assert ops.main(["restore", "table", "public.pairs", "--confirm", "dev", "--json"]) == 0
    assert '"missing": 2, "differing": 0' in capsys.readouterr().out
    assert len(contents(damaged, "pairs")) == 2
    before = len(checking.listed(backed_up[0]))
    assert ops.main(["restore", "table", "public.people", "--confirm", "dev"]) == 0
    assert 'differs: {"id": 5} in changed, name' in capsys.readouterr().out
    assert len(checking.listed(backed_up[0])) == before, "nothing was replaced"
    id = checking.named(backed_up[0], None).id
    command = ["restore", "table", "public.people", "--confirm", "dev", "--replace"]
    assert ops.main(command) == 1
    assert f"so far the newest is {id}" in capsys.readouterr().err
    assert ops.main([*command, "--backup", id, "--json"]) == 0
    shown = capsys.readouterr()
    assert f"has what is replaced; --backup {id} is what is restored" in shown.err
    planned, done = map(json.loads, shown.out.splitlines())
    assert (planned["differing"], "versions" in planned) == (1, False)
    assert done == {"table": "public.people", "inserted": 0, "replaced": 1, "differing": 1}
    assert len(checking.listed(backed_up[0])) == before + 1

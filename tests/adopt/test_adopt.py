"""`./vpb adopt` on live databases: what it writes, that `up` changes nothing of it, that a preview is empty then."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from components import inputs
from declared import adopted, connectionurl
from declared.platform import NOTHING
from harness import program, scratch, stack
from harness.stack import Stack
from local import postgres
from ops import __main__ as ops
from ops.adopt import reading, run, writing
from ops.adopt.found import LEFT, Found
from ops.adopt.unsafe import TO_DO, UNNAMED
from ops.migrations import run as migrations
from provider.resources.bucket import Bucket
from provider.resources.publication import Publication
from provider.resources.schema import Schema

SHOP = (Path(__file__).parent / "shop.sql").read_text()
FOLDER = "adopted/shop"
HISTORY = "supabase_migrations.schema_migrations"
ROLES = "create role anon; create role authenticated; create role service_role bypassrls;"


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.RunningServer]:
    with scratch.server() as made:
        with psycopg.connect(made.url(), autocommit=True) as connection:
            connection.execute(ROLES.encode())
        yield made


@dataclass
class Live:
    """A live database, and a checkout of its own into which it is adopted."""

    url: str
    root: Path
    said: dict[str, Any]

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def dump(self, *words: str) -> str:
        command = [postgres.wheel_binaries() / "pg_dump", "--schema-only", "-N", "supabase_migrations", *words]
        done = subprocess.run([*command, "-d", self.url], capture_output=True, text=True, check=True)
        # A key of each dump's own.
        return "\n".join(line for line in done.stdout.split("\n") if "restrict " not in line)

    def stack(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Stack:
        monkeypatch.setattr(inputs, "CHECKOUT", self.root)
        recorded = program.run(adopted=FOLDER, url=stack.ELSEWHERE, **settings)
        return Stack(self.url, stack.resources(recorded), self.root)


def make(server: postgres.RunningServer, name: str, root: Path) -> Live:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("drop role if exists shop_reader")
        connection.execute(f'create database "{name}"'.encode())
    url = server.url(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SHOP.encode())
    return Live(url, root, run.adopt(url, FOLDER, root))


@pytest.fixture
def live(server: postgres.RunningServer, tmp_path: Path) -> Iterator[Live]:
    found = make(server, "shop", tmp_path)
    yield found
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("drop database shop with (force)")
        # Its memberships would be found in each later database.
        connection.execute("drop role shop_reader")


def changes(preview: stack.Run) -> dict[str, Any]:
    return {**preview.changes, **preview.errors}


def test_it_says_what_it_took_and_what_is_unsafe_as_found(live):
    assert live.said["taken"] == {
        "schemas": 2,
        "tables": 5,
        "row policies": 5,
        "functions": 3,
        "extensions": 0,
        "roles": 3,
        "buckets": 0,
        "publications": 1,
        "triggers on tables of others": 0,
        "cron jobs": 0,
    }
    assert live.said["left"] == []
    unsafe = live.said["unsafe"]
    assert unsafe["tables that anon may truncate, which row security doesn't bind"] == [
        "public.Profiles",
        "public.orders",
    ]
    assert unsafe["security definer functions without a search path"] == ["public.total(uuid)"]
    assert unsafe["tables without row security, left open"] == ["public.rates", "shop.prices"]
    assert unsafe["row policies for public, which are everybody"] == [
        "Public profiles are viewable by everyone. on public.Profiles"
    ]


def test_what_cannot_be_declared_is_left_and_stops_nothing(live, tmp_path, monkeypatch):
    live.sql('create table public."a/b" (id int); alter table public."a/b" enable row level security')
    live.sql(
        'create policy odd on public."a/b" using (true); create publication late for table shop.items where (id > 1)'
    )
    live.sql(
        "grant anon to shop_reader; "
        "alter role shop_reader set work_mem = '8MB'; alter database shop set app.key = 'token-of-the-shop'; "
        "alter default privileges for role shop_reader in schema shop grant select on tables to anon; "
        "create function shop.seen() returns event_trigger language plpgsql as 'begin end'; "
        "create event trigger seen on ddl_command_end execute function shop.seen(); create foreign data wrapper far; "
        "create cast (shop.state as numeric) with inout; "
        "create server away foreign data wrapper far options (password 'token-of-the-shop'); "
        "create user mapping for shop_reader server away options (password 'token-of-the-shop'); "
        'create table public."t (b)" (id int primary key); create publication odd for table public."t (b)"; '
        "comment on publication changes is 'What Realtime reads.'; grant insert on shop.items to shop_reader; "
        "alter function shop.touch() owner to shop_reader; alter table shop.prices owner to shop_reader; "
        "revoke execute on function shop.touch() from shop_reader; revoke insert on shop.prices from shop_reader"
    )
    (tmp_path / "again").mkdir()
    again = Live(live.url, tmp_path / "again", run.adopt(live.url, FOLDER, tmp_path / "again"))
    assert again.said["left"] == [
        "policy odd on public.a/b: the table's name can't be a file's",
        "publication late: 'shop.items where (id > 1)' must be a table, or a table and its columns as in "
        "public.a (id, b)",
        'publication odd: the name "t (b)" reads like a list; '
        "isn't in the files; make it wherever the baseline is run",
        *(
            f"{name}: isn't in the files; make it wherever the baseline is run"
            for name in (
                "cast from shop.state to numeric",
                "comment on publication changes",
                "default privileges of role shop_reader in schema shop",
                "event trigger seen",
                "foreign data wrapper far",
                "foreign server away",
                "membership of role shop_reader in anon",
                "revoke of execute on function shop.touch() from its owner shop_reader",
                "revoke of insert on table shop.prices from its owner shop_reader",
                "setting app.key of the database",
                "setting work_mem of role shop_reader",
                "user mapping of shop_reader on server away",
            )
        ),
    ]
    written = "".join(path.read_text() for path in again.root.rglob("*.*") if path.is_file())
    assert "token-of-the-shop" not in written + json.dumps(again.said)
    before, stack = live.dump(), again.stack(monkeypatch)
    assert stack.up().errors == {}
    assert changes(stack.preview()) == {}
    assert live.dump() == before


STRANGE = r"""
create table public.bare (id int primary key);
revoke all on public.bare from current_user;
create schema "a.b";
create table "a.b".lost (id int);
create schema storage;
create table storage.buckets (id text primary key);
insert into storage.buckets values ('nobody''s');
create type shop.span as range (subtype = int);
create function shop.script() returns text language sql as $$select '
\restrict abc
'$$;
create publication everything for all tables;
"""


def test_empty_privileges_dots_and_a_publication_of_all_tables_stop_nothing(live, tmp_path, monkeypatch):
    live.sql(STRANGE)
    (tmp_path / "odd").mkdir()
    odd = Live(live.url, tmp_path / "odd", run.adopt(live.url, FOLDER, tmp_path / "odd"))
    every = "delete, insert, references, select, trigger, truncate, update"
    assert odd.said["left"] == [
        "schema a.b, with all that is in it: its name has a dot",
        f"revoke of {every} on table public.bare from its owner postgres: {LEFT}",
    ]
    baseline = odd.root / FOLDER / "sql" / "migrations" / "0001_baseline.up.sql"
    assert baseline.read_text().count("restrict") == baseline.read_text().count("\\restrict abc") == 1
    stack = odd.stack(monkeypatch)
    assert stack.up().errors == {}
    assert changes(stack.preview()) == {}


MONTHS = """
create table shop.months (id int, at date) partition by range (at);
create table shop."Jan" partition of shop.months for values from ('2026-01-01') to ('2026-02-01');
create table shop.feb partition of shop.months for values from ('2026-02-01') to ('2026-03-01');
create table shop.mar partition of shop.months for values from ('2026-03-01') to ('2026-04-01');
alter table shop.months enable row level security; alter table shop.mar enable row level security;
grant select on shop.months to authenticated;
grant select, insert on shop.feb to authenticated, anon; alter table shop.feb owner to shop_reader;
create policy "a, b" on shop.feb for select to anon using (true);
"""
FEB = (
    "granted insert to anon, granted insert to authenticated, granted select to anon, owner shop_reader, "
    'policy "a, b", row security disabled'
)


def test_partitions_that_stand_open_are_left_so_and_no_further(server, live, tmp_path, monkeypatch):
    live.sql(MONTHS)
    (tmp_path / "again").mkdir()
    again = Live(live.url, tmp_path / "again", run.adopt(live.url, FOLDER, tmp_path / "again"))
    assert again.said["unsafe"]["partitions that stand open where their table is closed, left open"] == [
        'shop."Jan": row security disabled',
        f"shop.feb: {FEB}",
    ]
    before, stack = live.dump(), again.stack(monkeypatch)
    assert stack.up().errors == {}
    seen = stack.preview()
    assert changes(seen) == {}
    assert f"left open: partition shop.feb of table shop.months, which is closed: {FEB}" in "\n".join(seen.messages)
    assert live.dump() == before
    live.sql('alter table shop.mar disable row level security; create policy c on shop."Jan" using (true)')
    refused = str(stack.up().errors)
    assert 'table shop.months: partition shop."Jan"' in refused
    assert "table shop.months: partition shop.mar" in refused
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create database again")
    try:
        elsewhere = replace(again, url=server.url("again"))
        made = elsewhere.stack(monkeypatch)
        assert made.up().errors == {}
        assert changes(made.preview()) == {}
        closed = again.root / FOLDER / "facts.py"
        closed.write_text(
            re.sub('"shop.(feb|Jan)": "left open"', r'"shop.\1": "enabled"', closed.read_text()).replace(
                '"anon": ["insert", "select"], "authenticated": ["insert", "select"]', '"authenticated": ["select"]'
            )
        )
        (again.root / FOLDER / "sql/policies/shop.feb.sql").unlink()
        mended = replace(elsewhere.stack(monkeypatch), state=made.state)
        assert mended.up().errors == {}
        assert changes(mended.preview()) == {}
        left = elsewhere.sql(
            "select relname::text, relrowsecurity, relacl::text from pg_class where relispartition and relkind = 'r' "
            "order by 1"
        )
        assert [(name, on) for name, on, _ in left] == [("Jan", True), ("feb", True), ("mar", True)]
        assert "anon" not in str(left)
        assert "authenticated=r/" in left[1][2]
    finally:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("drop database again with (force)")


def test_up_changes_nothing_and_the_preview_after_it_is_empty(live, monkeypatch):
    before = live.dump(), live.sql("select oid, polname from pg_policy order by 1")
    stack = live.stack(monkeypatch)
    first = stack.preview()
    assert first.errors == {}
    assert "record 0001_baseline: it was adopted from this database, it doesn't run" in "\n".join(first.messages)
    assert stack.up().errors == {}
    assert (live.dump(), live.sql("select oid, polname from pg_policy order by 1")) == before
    second = stack.preview()
    assert changes(second) == {}
    assert sorted(line.partition(" is reached")[0] for line in second.messages) == [
        "adopted-public.rates: row security left open: every row of public.rates",
        "adopted-shop.prices: row security left open: every row of shop.prices",
    ]
    assert live.sql(f"select version from {HISTORY} order by 1") == [("20230101120000",), ("20230202120000",)]


def test_manual_changes_of_what_was_adopted_are_named_and_repaired(live, monkeypatch):
    stack = live.stack(monkeypatch)
    assert stack.up().errors == {}
    live.sql("alter policy mine on public.orders using (true); grant delete on public.rates to anon")
    live.sql("drop policy mine on shop.items; grant execute on function shop.touch() to anon")
    seen = stack.preview()
    assert seen.errors == {}
    assert {*seen.changes} == {
        "adopted-public.orders/mine",
        "adopted-table-grants-public.rates",
        "adopted-shop.items/mine",
        "adopted-functions-shop",
    }
    assert stack.up().errors == {}
    assert changes(stack.preview()) == {}
    live.sql("alter table shop.prices add column note text")
    assert "table shop.prices: column note" in str(stack.up().errors)


@pytest.mark.parametrize(
    "manual",
    [
        "alter default privileges in schema shop grant select on tables to anon",
        "alter database shop set work_mem = '8MB'",
        "create foreign data wrapper elsewhere",
        "create schema beside; create function beside.watch() returns event_trigger language plpgsql as 'begin end'; "
        "create event trigger watch on ddl_command_end execute function beside.watch()",
    ],
)
def test_what_is_not_in_the_files_is_named_all_the_same(live, monkeypatch, manual):
    stack = live.stack(monkeypatch)
    assert stack.up().errors == {}
    live.sql(manual)
    assert stack.preview().changes.keys() >= {"adopted-snapshot"}


def test_a_destroy_takes_nothing_of_what_was_there(live, monkeypatch):
    before = live.dump()
    stack = live.stack(monkeypatch)
    assert stack.up().errors == {}
    assert stack.down().errors == {}
    assert live.dump() == before
    left = live.sql("select tablename::text from pg_tables where schemaname = 'supabase_migrations'")
    assert {name for (name,) in left if not name.startswith("adopted_migrations")} == {"schema_migrations"}
    again = live.stack(monkeypatch)
    assert again.up().errors == {}
    assert changes(again.preview()) == {}
    assert live.dump() == before


def test_the_baseline_makes_the_same_elsewhere(server, live, monkeypatch):
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create database again")
    again = replace(live, url=server.url("again"))
    try:
        made = again.stack(monkeypatch)
        assert made.up().errors == {}
        assert changes(made.preview()) == {}
        # A comment of two lines has become one.
        wanted = live.dump().replace("own,\non two", "own, on two")
        assert again.dump().split("\n") == wanted.split("\n")
        for path in (live.root / FOLDER / "sql/migrations").iterdir():
            path.unlink()
        refused = replace(again.stack(monkeypatch), state=made.state).up().errors
        assert "this environment protects its data and the rollback doesn't" in str(refused)
        refused = replace(again.stack(monkeypatch, protectData=False), state=made.state).up().errors
        assert "0001_baseline was adopted and is not rolled back" in str(refused)
        assert again.dump().split("\n") == wanted.split("\n")
    finally:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("drop database again with (force)")


def test_schemas_of_other_roles_and_of_the_login_itself_are_made_elsewhere_too(server, tmp_path, monkeypatch):
    roles = ("shop_owner", "alice's")
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create role shop_owner login password 'x' in role pg_read_all_settings")
        connection.execute('create role "alice\'s"; grant "alice\'s" to shop_owner')
        connection.execute("create database owned owner shop_owner")
    url = psycopg.conninfo.make_conninfo(server.url("owned"), user="shop_owner", password="x")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            'create schema mine; create table mine.a (id int); create schema hers authorization "alice\'s"'
        )
    where = {**psycopg.conninfo.conninfo_to_dict(url)}
    login = connectionurl.compose({key: str(where[key]) for key in ("host", "port", "user", "password", "dbname")})
    owned = Live(server.url("owned"), tmp_path, run.adopt(login, FOLDER, tmp_path))
    owners = "select nspname, nspowner::regrole::text from pg_namespace where nspname in ('mine', 'hers') order by 1"
    found = owned.sql(owners)
    try:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("drop database owned with (force)")
            for role in roles:
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
            connection.execute("create database owned")
        made = owned.stack(monkeypatch)
        assert made.up().errors == {}
        assert changes(made.preview()) == {}
        assert owned.sql(owners) == found
    finally:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("drop database if exists owned with (force)")
            for role in roles:
                connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


def test_the_baseline_is_not_rolled_back(live, monkeypatch):
    assert live.stack(monkeypatch).up().errors == {}
    before = live.dump()
    for path in (live.root / FOLDER / "sql/migrations").iterdir():
        path.unlink()
    refused = live.stack(monkeypatch).up().errors
    assert "has 0001_baseline, which is neither in this checkout nor applied by this stack" in str(refused)
    assert live.dump() == before


def test_a_new_migration_runs_on_top_and_is_rolled_back(live, monkeypatch):
    assert live.stack(monkeypatch).up().errors == {}
    folder = live.root / FOLDER / "sql/migrations"
    header = "-- 0002 notes: why.\n-- Lock: none. Duration: instant.\n-- Down: loses nothing.\n"
    (folder / "0002_notes.up.sql").write_text(header + "create type shop.kind as enum ('a');\n")
    (folder / "0002_notes.down.sql").write_text(header + "drop type shop.kind;\n")
    with_type = live.stack(monkeypatch)
    assert with_type.up().errors == {}
    assert live.sql("select to_regtype('shop.kind') is not null") == [(True,)]
    for path in folder.glob("0002*"):
        path.unlink()
    assert replace(live.stack(monkeypatch), state=with_type.state).up().errors == {}
    assert live.sql("select to_regtype('shop.kind') is null") == [(True,)]
    assert live.sql(f"select version from {HISTORY} order by 1") == [("20230101120000",), ("20230202120000",)]


def test_the_apps_migrations_are_refused_on_an_adopted_database(live, monkeypatch, capsys):
    assert live.stack(monkeypatch).up().errors == {}
    before = live.dump()
    for command in (("up",), ("status",), ("down", "--to", "0"), ("adopt", "--write")):
        assert ops.main(["migrate", *command, "--url", live.url]) == 1
        assert "this database was adopted, and its migrations aren't the app's" in capsys.readouterr().err
    assert live.dump() == before
    monkeypatch.setattr(migrations, "CHECKOUT", live.root)
    own = ["--folder", f"{FOLDER}/sql/migrations", "--history", adopted.HISTORY]
    assert ops.main(["migrate", "status", "--url", live.url, "--json", *own]) == 0
    (found,) = json.loads(capsys.readouterr().out).values()
    assert (found["applied"], found["pending"]) == (["0001_baseline"], [])


def test_the_apps_own_program_is_refused_on_an_adopted_database(live, monkeypatch):
    assert live.stack(monkeypatch).up().errors == {}
    before = live.dump()
    app = Stack(live.url, stack.declaration("shop"))
    assert "the database is adopted, and this is the app's program" in str(app.up().errors)
    assert live.dump() == before


def test_an_adopted_stack_is_not_promoted(live, monkeypatch):
    with pytest.raises(
        inputs.InputRefused, match=r"setting database:promotedFrom .* empty where database:adopted is set"
    ):
        live.stack(monkeypatch, promotedFrom="staging")


def test_nothing_is_written_over(live):
    before = (live.root / FOLDER / "facts.py").read_text()
    with pytest.raises(run.CommandError, match="--into adopted/shop: is there already and isn't empty"):
        run.adopt(live.url, FOLDER, live.root)
    assert (live.root / FOLDER / "facts.py").read_text() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--into", "../elsewhere"], "--into '../elsewhere': must be a folder of the checkout such as adopted/shop"),
        (["--into", "adopted/none"], "no database is named; give --url, or set DATABASE_URL"),
        (["--into", "adopted/none", "--url", "nonsense"], "--url must be"),
        (["--into", "adopted/none", "--url", "postgresql://me@127.0.0.1:1/x"], "127.0.0.1:1"),
        (["--into", "sql", "--url", "postgresql://me@127.0.0.1:1/x"], "--into sql: is there already and isn't empty"),
        (["--into", "vpb/x", "--url", "postgresql://me@127.0.0.1:1/x"], "--into vpb/x: vpb is a file; name a folder"),
    ],
)
def test_bad_input_is_one_line(words, said, capsys, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert ops.main(["adopt", *words]) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_the_command_ends_with_2_where_something_is_unsafe(server, live, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "CHECKOUT", tmp_path)
    assert ops.main(["adopt", "--url", live.url, "--into", "adopted/second", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said == {**live.said, "folder": "adopted/second"}
    assert server.password not in "".join(path.read_text() for path in tmp_path.rglob("*.*") if path.is_file())


def test_names_are_shown_without_what_steers_a_terminal(live, tmp_path, capsys, monkeypatch):
    live.sql('create table public."a\x1b]0;title\x07b\nc" (id int)')
    monkeypatch.setattr(run, "CHECKOUT", tmp_path)
    assert ops.main(["adopt", "--url", live.url, "--into", "adopted/second"]) == 2
    shown = capsys.readouterr().out
    assert r"  public.a\x1b]0;title\x07b\nc" in shown.split("\n")
    proposed = [TO_DO[what] for what in run.adopt(live.url, "adopted/third")["unsafe"]]
    assert [line.removeprefix("  to do: ") for line in shown.split("\n") if line.startswith("  to do: ")] == proposed


def test_the_password_may_come_from_where_libpq_looks_for_it(server, live, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "CHECKOUT", tmp_path)
    without = live.url.replace(f":{server.password}@", "@")
    assert without != live.url
    monkeypatch.setenv("PGPASSWORD", server.password)
    assert ops.main(["adopt", "--url", without, "--into", "adopted/second"]) == 2
    monkeypatch.delenv("PGPASSWORD")
    file = tmp_path / "pgpass"
    file.touch(mode=0o600)
    file.write_text(f"*:*:*:*:{server.password}\n")
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert ops.main(["adopt", "--url", without, "--into", "adopted/third"]) == 2


def test_jobs_are_in_the_baseline_and_a_key_in_one_is_named(live):
    key = "eyJ" + "a" * 20 + ".b"
    found = Found("1/2", "postgres", NOTHING)
    found.jobs = [
        {
            "jobname": "call o'clock",
            "schedule": "0 3 * * *",
            "command": f"select net.post('\\', 'Bearer {key}')",
            "active": False,
        },
        {"jobname": None, "schedule": "1 minute", "command": "vacuum", "active": True},
    ]
    made = writing.files(found, "")
    baseline = made["sql/migrations/0001_baseline.up.sql"]
    assert baseline.endswith("select cron.schedule(E'1 minute', E'vacuum');")
    assert (
        r"select cron.alter_job(cron.schedule(E'call o''clock', E'0 3 * * *', E'select net.post(''\\'', ''Bearer"
        in baseline
    )
    assert "'')'), active := false);" in baseline
    lines = baseline.split("\n")
    number = next(number for number, line in enumerate(lines, start=1) if key in line)
    assert writing.lines_with_keys(made) == [f"sql/migrations/0001_baseline.up.sql:{number}"]


def test_a_job_of_another_database_or_role_is_left_by_its_name():
    found = Found("1/2", "postgres", NOTHING)
    job = {"schedule": "1 minute", "command": "vacuum", "active": True, "database": "other", "username": "me"}
    reading._jobs(found, [{**job, "jobname": "tidy", "ours": False}, {**job, "jobname": None, "ours": True}])
    assert [each["jobname"] for each in found.jobs] == [None]
    assert found.left == [
        "cron job tidy: runs in database other as role me; isn't in the files; make it wherever the baseline is run"
    ]


KEYS = (
    *("AKIA" + "A" * 16, "sk-" + "a1" * 10, "sk-proj-" + "b2" * 10, "whsec_" + "c" * 20, "rk_live_" + "d" * 12),
    *("github_pat_" + "e" * 12, "gho_" + "f" * 12, "xoxa-" + "1" * 12, "AIza" + "g" * 35, "SG." + "h" * 20),
    *("postgresql://me:guess@db/app", "redis://:guess@cache:6379", "-----BEGIN RSA PRIVATE KEY-----"),
    "Basic " + "aGVsbG8" * 4,
)


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_any_service_are_named(key):
    assert writing.lines_with_keys({"a.sql": f"select 1;\nselect '{key}';"}) == ["a.sql:2"]


def test_what_is_no_key_is_not_named():
    text = "select 'https://app.example.org/a:b@c', 'task-sk-1', 'me@example.org', 'basic plan';"
    assert writing.lines_with_keys({"a.sql": text}) == []


FACTS = "".join(f"{name} = {{}}\n" for name in (field.upper() for field in adopted.Facts.__dataclass_fields__))
FACTS = FACTS.replace("WATCHED = {}", "WATCHED = ()")
BAD_FACTS = {
    "no Python": ("TABLES = {", "facts.py:1: '{' was never closed"),
    "another name": (FACTS + "OTHER = {}\n", "facts.py:12: only these facts are read: BUCKETS"),
    "code": (FACTS.replace("TABLES = {}", "TABLES = dict()"), "TABLES must be written out, as maps, lists and texts"),
    "a missing one": (FACTS.replace("BUCKETS = {}\n", ""), "facts.py: has no BUCKETS; an empty one is {}"),
    "another switch": (
        FACTS.replace("ROW_SECURITY = {}", "ROW_SECURITY = {'public.a': 'off'}"),
        "ROW_SECURITY: public.a must be one of enabled, forced, left open, not 'off'",
    ),
    "a list": (FACTS.replace("TABLES = {}", "TABLES = []"), "TABLES must be a map"),
    "a text for a map": (FACTS.replace("TABLES = {}", "TABLES = {'a': 'b'}"), "TABLES: a must be a map"),
    "a privilege that is no list": (
        FACTS.replace("TABLES = {}", "TABLES = {'public.a': {'anon': 'select'}}"),
        "TABLES: public.a: anon must be a role with a list of privileges",
    ),
    "a number among privileges": (
        FACTS.replace("TABLES = {}", "TABLES = {'public.a': {'anon': [1]}}"),
        "TABLES: public.a: anon must be a role with a list of privileges",
    ),
    "another property": (
        FACTS.replace("BUCKETS = {}", "BUCKETS = {'a': {'open': True}}"),
        "BUCKETS: a has no property 'open'; it may have public, fileSizeLimit, allowedMimeTypes, columns",
    ),
    "a property of another kind": (
        FACTS.replace("BUCKETS = {}", "BUCKETS = {'a': {'fileSizeLimit': '1'}}"),
        "BUCKETS: a: fileSizeLimit must be a whole number",
    ),
    "bytes": (
        FACTS.replace("BUCKETS = {}", "BUCKETS = {'a': {'columns': {'b': b'c'}}}"),
        "BUCKETS: a: columns must be a map",
    ),
    "a schema without an owner": (
        FACTS.replace("SCHEMAS = {}", "SCHEMAS = {'a': {'comment': 'b'}}", 1),
        "SCHEMAS: a has no owner",
    ),
    "a key that can be none": (FACTS.replace("TABLES = {}", "TABLES = {[]: {}}"), "TABLES must be written out"),
    "an entry twice": (
        FACTS.replace("TABLES = {}", "TABLES = {'public.a': {'anon': ['select']},\n'public.a': {}}"),
        "TABLES: 'public.a' is there twice",
    ),
    "a fact twice": (FACTS + "TABLES = {}\n", "facts.py:12: TABLES is there twice"),
    "too deep": ("TABLES = " + "-" * 100_000 + "1", "facts.py: can't be read"),
    "a number": (FACTS.replace("TABLES = {}", "TABLES = {1: {}}"), "TABLES: 1 must be a text"),
    "a schema for its functions": (
        FACTS.replace("FUNCTIONS = {}", "FUNCTIONS = {'public': {'public': ['execute']}}"),
        "facts.py:8: FUNCTIONS: 'public' must be schema.name(argument types)",
    ),
    "a table for a function": (
        FACTS.replace("FUNCTIONS = {}", "FUNCTIONS = {'public.f': {}}"),
        "FUNCTIONS: 'public.f' must be schema.name(argument types)",
    ),
    "a table without a schema": (FACTS.replace("TABLES = {}", "TABLES = {'t': {}}"), "TABLES: 't' must be schema.name"),
    "a sequence without a name": (
        FACTS.replace("SEQUENCES = {}", "SEQUENCES = {'a.': {}}"),
        "SEQUENCES: 'a.' must be schema.name",
    ),
    "a switch without a schema": (
        FACTS.replace("ROW_SECURITY = {}", "ROW_SECURITY = {'t': 'enabled'}"),
        "ROW_SECURITY: 't' must be schema.name",
    ),
    "an empty name": (FACTS.replace("BUCKETS = {}", "BUCKETS = {'': {}}"), "BUCKETS: '' must be a name"),
    "an empty role": (
        FACTS.replace("TABLES = {}", "TABLES = {'a.b': {'': ['select']}}"),
        "TABLES: a.b:  must be a role with a list of privileges",
    ),
    "a list among those watched": (FACTS.replace("WATCHED = ()", "WATCHED = ([],)"), "WATCHED: [] must be a text"),
    "a schema of one's own among those watched": (
        FACTS.replace("WATCHED = ()", "WATCHED = ('a',)").replace("SCHEMAS = {}", "SCHEMAS = {'a': {'owner': 'b'}}", 1),
        "facts.py:11: WATCHED: a is in SCHEMAS too; take it out of one of them",
    ),
    "NUL": (
        FACTS.replace("TABLES = {}", r"TABLES = {'a.b\0c': {}}"),
        r"TABLES: 'a.b\x00c' has a character that PostgreSQL can't hold: '\x00'",
    ),
    "a surrogate": (
        FACTS.replace("PUBLICATIONS = {}", r"PUBLICATIONS = {'a': {'tables': ['\ud800']}}"),
        r"PUBLICATIONS: '\ud800' has a character that PostgreSQL can't hold: '\ud800'",
    ),
}


@pytest.mark.parametrize("name", list(BAD_FACTS))
def test_facts_that_cannot_be_used_are_one_line(tmp_path, name):
    text, said = BAD_FACTS[name]
    (tmp_path / "adopted").mkdir()
    (tmp_path / "adopted/facts.py").write_text(text)
    with pytest.raises(adopted.AdoptedError) as caught:
        adopted.read("adopted", tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@dataclass
class Beside:
    """Databases beside `shop`, each of a test's own; gone after it."""

    server: postgres.RunningServer
    root: Path
    roles: str = ""

    def live(self, statements: str, options: str = "") -> Live:
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(f"create database beside {options}".encode())
        url = self.server.url("beside")
        with psycopg.connect(url, autocommit=True, client_encoding="utf8") as connection:
            connection.execute(statements.encode())
        return Live(url, self.root, run.adopt(url, FOLDER, self.root))

    def elsewhere(self, live: Live) -> Live:
        """An empty database, for what was adopted of another."""
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute("create database elsewhere")
        return replace(live, url=self.server.url("elsewhere"))

    def clear(self) -> None:
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            for name in ("beside", "elsewhere"):
                connection.execute(f"drop database if exists {name} with (force)".encode())
            connection.execute(self.roles.encode())


@pytest.fixture
def beside(server: postgres.RunningServer, tmp_path: Path) -> Iterator[Beside]:
    found = Beside(server, tmp_path)
    yield found
    found.clear()


OF_A_SUPERUSER = """
create role chief superuser login password 'x';
set role chief;
create schema mine;
create table mine.a (id int);
create type mine.span as range (subtype = int);
reset role;
grant execute on function mine.span(int, int) to chief;
alter schema public owner to chief;
comment on schema public is 'ours';
"""


def test_what_a_superuser_of_another_name_owns_is_elsewhere_the_login_s(beside, monkeypatch):
    beside.roles = "drop role if exists chief"
    first = beside.live(OF_A_SUPERUSER)
    where = psycopg.conninfo.conninfo_to_dict(first.url) | {"user": "chief", "password": "x"}
    login = connectionurl.compose({key: str(where[key]) for key in ("host", "port", "user", "password", "dbname")})
    root = beside.root / "again"
    root.mkdir()
    live = Live(login, root, run.adopt(login, FOLDER, root))
    made = live.stack(monkeypatch)
    assert made.up().errors == {}
    assert changes(made.preview()) == {}
    live.sql("alter schema public owner to postgres; comment on schema public is null")
    drift = {'drift["schema public: comment"]', 'drift["schema public: owner"]'}
    assert {*made.preview().changes["adopted-snapshot"]} == drift
    beside.clear()
    there = beside.elsewhere(live)
    again = there.stack(monkeypatch)
    assert again.up().errors == {}
    assert changes(again.preview()) == {}
    owners = "select nspname::text, nspowner::regrole::text, obj_description(oid) from pg_namespace"
    assert there.sql(f"{owners} where nspname in ('mine', 'public') order by 1") == [
        ("mine", "postgres", None),
        ("public", "postgres", "ours"),
    ]


NOTES = """
create table public.notes (id int);
create function public.more() returns void language plpgsql as $$ begin
CREATE TABLE public.later (id int);
end $$;
"""


def test_a_database_without_row_policies_is_taken_and_what_a_function_would_make_is_no_table_of_it(beside, monkeypatch):
    live = beside.live(NOTES)
    before = live.dump()
    made = live.stack(monkeypatch)
    assert made.up().errors == {}
    assert (changes(made.preview()), live.dump()) == ({}, before)
    assert [path.name for path in (live.root / FOLDER / "sql/policies").iterdir()] == [".gitkeep"], "git keeps it"


ODD = """
create schema "we""ird";
create table "we""ird"."or""der" (id int);
create schema "user";
create extension pg_trgm with schema "user";
create table "user"."select" ("table" int primary key, "group" text);
alter table "user"."select" enable row level security;
create role "pay$$master" nologin;
create policy "all" on "user"."select" for select to "pay$$master" using ("group" = 'x');
grant usage on schema "user" to "pay$$master"; grant select on "user"."select" to "pay$$master";
create schema ext;
create extension citext with schema ext;
create table public.words (c ext.citext, "first-name" text, "é b;c" text);
grant select (c, "first-name"), update ("é b;c") on public.words to "pay$$master";
grant select on public.words to anon;
create view public.others as select nullif(c, 'a'::ext.citext) as c from public.words;
create function public.seen() returns trigger language plpgsql as 'begin raise exception ''seen''; end';
set search_path = public, ext;
create trigger seen before update on public.words for each row when (old.c is distinct from new.c)
    execute function public.seen();
alter table public.words force row level security;
create table public.days (at date) partition by range (at);
create table public.day partition of public.days for values from ('2026-01-01') to ('2026-01-02');
alter table public.day force row level security;
create role reader login; grant "pay$$master" to reader; create role readers; grant reader to readers;
"""


def test_names_of_any_kind_are_in_the_baseline_and_make_the_same_elsewhere(beside, monkeypatch):
    beside.roles = 'drop role "pay$$master", reader, readers'
    live = beside.live(ODD)
    assert live.said["left"] == [
        f"membership of role {name}: {LEFT}" for name in ("reader in pay$$master", "readers in reader")
    ]
    taken = live.said["taken"]
    assert (taken["schemas"], taken["tables"], taken["roles"]) == (4, 5, 4)
    before, made = live.dump(), live.stack(monkeypatch)
    assert made.up().errors == {}
    assert (changes(made.preview()), live.dump()) == ({}, before)
    there = beside.elsewhere(live)
    again = there.stack(monkeypatch)
    assert again.up().errors == {}
    assert (changes(again.preview()), there.dump()) == ({}, before)
    there.sql("insert into public.words (c) values ('A'); update public.words set c = 'a'")
    assert there.sql("select c from public.others") == [(None,)]


CLOSED = """
create role g1; create role g2;
create function public.f() returns int language sql as 'select 1';
grant execute on function public.f() to g1 with grant option; set role g1;
grant execute on function public.f() to g2; reset role;
create function public.admin_only() returns int language sql security definer as 'select 1';
revoke execute on function public.admin_only() from public; grant execute on function public.admin_only() to g2;
create procedure public.tidy() language sql as ''; revoke execute on procedure public.tidy() from public;
create aggregate public.both(bool) (sfunc = booland_statefunc, stype = bool);
revoke execute on function public.both(bool) from public;
create schema "Admin"; create function "Admin".wipe() returns int language sql as 'select 1';
revoke execute on function "Admin".wipe() from public;
create type public.state as enum ('a'); revoke usage on type public.state from public;
create domain public.short as text; revoke usage on domain public.short from public;
grant usage on domain public.short to g2;
create sequence public.counted; grant usage on sequence public.counted to g1 with grant option; set role g1;
grant usage on sequence public.counted to g2; reset role; grant select on sequence public.counted to g2;
revoke usage on schema public from public; grant usage on schema public to g1 with grant option; set role g1;
grant usage on schema public to g2; reset role; grant create on schema public to g2;
create table public.t ("a, b" int, c int);
grant select ("a, b"), update (c) on public.t to g2; grant delete on public.t to g2;
"""
OPEN = """
select name, has_function_privilege('anon', name, 'execute') from unnest(array['public.f()',
    'public.admin_only()', 'public.tidy()', 'public.both(bool)', '"Admin".wipe()']) as name
union all select name, has_type_privilege('anon', name, 'usage')
    from unnest(array['public.state', 'public.short']) as name
union all select 'public', has_schema_privilege('anon', 'public', 'usage')"""


def test_what_has_no_list_is_as_closed_elsewhere(beside, monkeypatch):
    beside.roles = "drop role g1, g2"
    live = beside.live(CLOSED)
    owner = "somebody else than the owner has granted on"
    assert live.said["left"] == [
        f"{name}; {reading.UNLISTED}"
        for name in (
            f"grants on schema public: {owner} public",
            "grants on table public.t: the name of column 'a, b' can't be in a list of privileges",
            f"grants on sequence public.counted: {owner} public.counted",
            "grants on functions of schema Admin: '\"Admin\".wipe()' must be written as in Admin.name(argument types)",
            f"grants on functions of schema public: {owner} public.f()",
        )
    ]
    before, made = live.dump(), live.stack(monkeypatch)
    assert made.up().errors == {}
    assert (changes(made.preview()), live.dump()) == ({}, before)
    there = beside.elsewhere(live)
    again = there.stack(monkeypatch)
    assert again.up().errors == {}
    assert changes(again.preview()) == {}
    assert there.sql(OPEN) == live.sql(OPEN)
    assert [name for name, open in there.sql(OPEN) if open] == ["public.f()"]
    granted = [line for line in before.split("\n") if line.startswith("GRANT")]
    theirs = [line for line in there.dump().split("\n") if line.startswith("GRANT")]
    # What another than the owner has granted isn't granted elsewhere.
    assert {*granted} - {*theirs} == {
        "GRANT ALL ON FUNCTION public.f() TO g2;",
        "GRANT USAGE ON SCHEMA public TO g2;",
        "GRANT USAGE ON SEQUENCE public.counted TO g2;",
    }
    assert {*theirs} <= {*granted}
    live.sql("grant execute on function public.admin_only() to anon; grant insert on public.t to anon")
    assert made.preview().changes.keys() == {"adopted-snapshot"}


OF_OTHERS = """
create schema "a.b"; create table "a.b".jobs (id int);
create function public.seen() returns trigger language plpgsql as 'begin return new; end';
create trigger seen before insert on "a.b".jobs for each row execute function public.seen();
create extension pg_trgm with schema "a.b";
create extension citext; create schema q; alter extension citext add schema q;
create table q.jobs (id int); create policy mine on q.jobs using (true);
create table public.words (c citext); create policy hidden on public.words using (c is distinct from 'a'::citext);
create policy plain on public.words using (c = 'a'::citext);
alter default privileges in schema public grant select on tables to anon; create foreign data wrapper far;
"""


def test_what_lies_in_schemas_that_are_left_is_named_and_hides_nothing_else(beside, monkeypatch):
    live = beside.live(OF_OTHERS)
    assert live.said["left"] == [
        "schema a.b, with all that is in it: its name has a dot",
        f"schema q, with what isn't extension citext's in it: {reading.OWN}",
        f"extension pg_trgm: its schema a.b is left; {LEFT}",
        f'trigger seen on "a.b".jobs: schema a.b is left; {LEFT}',
        f"default privileges of role postgres in schema public: {LEFT}",
        f"foreign data wrapper far: {LEFT}",
    ]
    assert (live.said["taken"]["row policies"], live.said["taken"]["triggers on tables of others"]) == (2, 0)
    assert live.said["unsafe"][UNNAMED] == ["hidden on public.words"]
    before, made = live.dump(), live.stack(monkeypatch)
    assert made.up().errors == {}
    assert (changes(made.preview()), live.dump()) == ({}, before)
    live.sql("alter database beside set work_mem = '8MB'")
    assert made.preview().changes.keys() == {"adopted-snapshot"}
    there = beside.elsewhere(live)
    again = there.stack(monkeypatch)
    assert again.up().errors == {}
    assert changes(again.preview()) == {}


DASHES = """
create table public.a (id int); create table public."a-b" (id int);
create policy "b-c" on public.a using (id > 0); create policy c on public."a-b" using (id > 1);
"""


def test_policies_whose_names_go_on_where_a_table_s_ends_are_two(beside, monkeypatch):
    live = beside.live(DASHES)
    made = live.stack(monkeypatch)
    assert made.up().errors == {}
    assert changes(made.preview()) == {}
    assert made.state.keys() >= {"adopted-public.a/b-c", "adopted-public.a-b/c"}


def test_a_role_with_any_name_is_made_where_it_is_not_there(beside):
    found = Found("1/2", "postgres", NOTHING)
    found.roles = [{"name": "a$$b$_$c'd", "quoted": '"a$$b$_$c\'d"', "words": "nologin"}]
    made = writing.files(found, "")["sql/migrations/0001_baseline.up.sql"]
    beside.roles = """drop role if exists "a$$b$_$c'd" """
    with psycopg.connect(beside.server.url(), autocommit=True) as connection:
        connection.execute(made.encode())
        connection.execute(made.encode())
        assert connection.execute("select 1 from pg_roles where rolname = 'a$$b$_$c''d'").fetchall() == [(1,)]


FILLED = """
alter database beside set search_path = public, tools;
create schema tools;
set search_path = public, tools;
create function tools.plain(what text) returns text language sql immutable as 'select lower(what)';
create function public.key(what text) returns text language sql immutable as 'select plain(what)';
create table public.notes (title text, key text generated always as (public.key(title)) stored);
create table public.marks (key text default public.key('A'), check (public.key(key) <> ''));
create materialized view public.zero as select key, count(*) from public.notes group by key;
create materialized view public.above as select count(*) from public.zero;
create materialized view public.empty as select 1 as one with no data;
"""


def test_functions_find_their_names_and_materialized_views_are_filled_elsewhere(beside, monkeypatch):
    live = beside.live(FILLED)
    there = beside.elsewhere(live)
    assert there.stack(monkeypatch).up().errors == {}
    there.sql("set search_path = public, tools; insert into public.notes (title) values ('A')")
    assert there.sql("select key from public.notes") == [("a",)]
    filled = "select relname::text, relispopulated from pg_class where relkind = 'm' order by 1"
    assert there.sql(filled) == [("above", True), ("empty", False), ("zero", True)]


def test_a_database_of_another_encoding_is_written_in_utf_8(beside, monkeypatch):
    long = "é" * 40
    live = beside.live(
        f"""create table public."größe" (id int); comment on table public."größe" is 'wie groß';
        create policy "{long}" on public."größe" using (true)""",
        "encoding 'LATIN1' locale 'C' template template0",
    )
    baseline = (live.root / FOLDER / "sql/migrations/0001_baseline.up.sql").read_text()
    assert "COMMENT ON TABLE public.\"größe\" IS 'wie groß'" in baseline
    assert live.said["left"] == [f"policy {long} on public.größe: the name has more than 63 bytes in UTF-8"]
    made = live.stack(monkeypatch)
    assert made.up().errors == {}
    assert changes(made.preview()) == {}


TWO = "create table public.notes (id int); create table public.marks (id int)"


def test_a_baseline_runs_in_an_empty_database_of_the_same_identity(beside, monkeypatch):
    """Servers that were copied from one image may have one identity."""
    live = beside.live(TWO)
    live.sql("drop table public.notes, public.marks")
    made = live.stack(monkeypatch)
    assert "apply 0001_baseline" in "\n".join(made.preview().messages)
    assert made.up().errors == {}
    assert live.sql("select count(*) from public.notes, public.marks") == [(0,)]


def test_a_baseline_is_refused_where_a_part_of_what_it_describes_is_gone(beside, monkeypatch):
    live = beside.live(TWO)
    live.sql("drop table public.notes")
    made = live.stack(monkeypatch)
    for seen in (made.preview(), made.up()):
        assert (
            "0001_baseline describes this database as it was adopted, and public.notes isn't there: put it back, or "
            "adopt the database as it is now" in str(seen.errors)
        )


def test_what_cannot_be_read_again_is_not_written(live, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_facts", lambda found: "SCHEMAS = {")
    (tmp_path / "again").mkdir()
    with pytest.raises(run.CommandError, match=r"^adopted/shop/facts\.py:1: .*; nothing was written$"):
        run.adopt(live.url, FOLDER, tmp_path / "again")
    assert not [*(tmp_path / "again").iterdir()]


def test_the_properties_of_facts_are_those_of_the_provider():
    for name, kind in (("SCHEMAS", Schema), ("PUBLICATIONS", Publication), ("BUCKETS", Bucket)):
        held = {key: field.type for key, field in kind.fields.items() if not field.identity}
        assert adopted.PROPERTIES[name] == held

"""A backup restored is the database that it was made of; what is damaged is found, in the backup and in the database.

One database, one backup and one restored server for all of it.
"""

import errno
import io
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pyrage
import pytest
from botocore.exceptions import ClientError
from psycopg import sql
from visual_prompt_builder.names import key
from visual_prompt_builder.signing import Store

from declared import connectionurl
from declared.backups import BackupSettings
from declared.paths import CHECKOUT
from harness import scratch
from harness.stack import Stack
from ops.backups import checking, drill, instants, making, places, rows, sealing, source
from ops.backups.errors import BackupError, BadBackup
from ops.backups.manifest import ID, MANIFEST, SUMMARY, Manifest, new_id
from ops.backups.restoring import Restoring
from ops.database import connect
from ops.errors import CommandError, answered
from ops.everyday import overview
from tests.conftest import Cluster
from tests.sql import provision

pytestmark = pytest.mark.xdist_group("backups")
IDENTITY = pyrage.x25519.Identity.generate()
ROUNDS = 100
ODD = """
create schema "odd ""schema";
create type "odd ""schema".mood as enum ('so, so', 'it''s "good"');
create table "odd ""schema"."Täble, with \\ all" (
    "select" bigint generated always as identity primary key,
    "a,b" double precision[], n numeric, r real, b bytea, t text, d date, ts timestamptz, i interval,
    j jsonb, m "odd ""schema".mood, x money, ranges int4range, doubled numeric generated always as (n * 2) stored
);
insert into "odd ""schema"."Täble, with \\ all" ("a,b", n, r, b, t, d, ts, i, j, m, x, ranges) values
    ('{1,NaN,Infinity,-0}', 'NaN', '-Infinity', '\\x00ff5c0a', E'tab\\t\\\\N\\n\\u00e9', '4000-01-01 BC', '-infinity',
        '-1 mon +2 days', '{"a": [1.10, null]}', 'it''s "good"', 12.5, '[1,5)'),
    ('{}', 1e-30, 1e-40, '', '', 'infinity', '0044-03-15 12:00+00 BC', '178000000 years', 'null', null, null, 'empty'),
    (null, null, null, null, null, null, null, null, null, null, null, null);
create table "odd ""schema".parted (id int, at date) partition by range (at);
create table "odd ""schema".parted_1 partition of "odd ""schema".parted 
    for values from ('2020-01-01') to ('2021-01-01');
create table "odd ""schema".parted_2 (at date, gone int, id int);
alter table "odd ""schema".parted_2 drop column gone;
alter table "odd ""schema".parted attach partition "odd ""schema".parted_2 default;
insert into "odd ""schema".parted select g, date '2020-06-01' + g * 30 from generate_series(1, 20) as g;
create table "odd ""schema".parent (id int);
create table "odd ""schema".child (more text) inherits ("odd ""schema".parent);
insert into "odd ""schema".parent values (1);
insert into "odd ""schema".child values (2, 'more');
create table "odd ""schema".empty (id int primary key, c int references "odd ""schema".empty);
create table "odd ""schema".nothing ();
insert into "odd ""schema".nothing default values;
create sequence "odd ""schema"."a-sequence";
select nextval('"odd ""schema"."a-sequence"') from generate_series(1, 7);
create materialized view "odd ""schema".counted as select count(*) from "odd ""schema".parted;
create table "odd ""schema".large as select g as id, repeat('x', 500) as filler from generate_series(1, 20000) as g;
create table "odd ""schema".busy (id serial, a int, b int);
insert into "odd ""schema".busy (a, b) values (0, 0)
"""


@dataclass
class Memory:
    """A place in memory."""

    objects: dict[str, bytes] = field(default_factory=dict)
    label: str = "memory"

    @contextmanager
    def create(self, name: str) -> Iterator[io.BytesIO]:
        out = io.BytesIO()
        yield out
        self.objects[name] = out.getvalue()

    @contextmanager
    def open(self, name: str) -> Iterator[io.BytesIO]:
        if name not in self.objects:
            raise BadBackup(f"{name}: isn't there")
        yield io.BytesIO(self.objects[name])

    def backups(self) -> dict[str, datetime]:
        return {name.partition("/")[0]: datetime.now(UTC) for name in self.objects}

    def has(self, name: str) -> bool:
        return name in self.objects

    def days_kept(self, backup: str) -> int | None:
        return None

    def remove(self, backup: str) -> None:
        self.objects = {name: data for name, data in self.objects.items() if not name.startswith(backup)}


@dataclass
class Made:
    """A database, and a backup of it by the login that is there for it."""

    url: str
    backup_url: str
    place: places.Bucket
    store: Store
    backup: checking.Backup

    @property
    def manifest(self) -> Manifest:
        return self.backup.manifest([IDENTITY])


def task(url: str, place: places.Place, **more: Any) -> making.Making:
    return making.Making("dev", url, place, [IDENTITY.to_public()], **more)


@pytest.fixture(scope="module")
def made(cluster: Cluster, complete_template: str, frame: Stack, store: Store) -> Iterator[Made]:
    database = cluster.create("backed_up", complete_template)
    name, version = f"{provision.ADA}/me.png", str(uuid4())
    with psycopg.connect(database.url, autocommit=True) as connection:
        provision.add_people(connection)
        connection.execute(ODD.encode())
        connection.execute("insert into storage.buckets (id, name) values ('kept', 'kept') on conflict do nothing")
        insert = (
            "insert into storage.objects (bucket_id, name, version, metadata) values ('kept', %s, %s, '{\"size\": 5}')"
        )
        connection.execute(insert, (name, version))
    store.s3.put_object(Bucket=store.bucket, Key=key(store.tenant, "kept", name, version), Body=b"bytes")
    password = next(
        thing.state["password"] for name, thing in frame.state.items() if name.startswith("roles-backup-password")
    )
    # Another test may have given the server's role another one since.
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(sql.SQL("alter role backup password {}").format(sql.Literal(password)))
    login = type(database)(database.host, database.port, "backup", password, database.name, database.server_version)
    place = places.Bucket(store.s3, store.bucket, "backups/dev/")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "PART_BYTES", 1 << 20)
        summary = task(login.url, place, store=store).run()
    yield Made(database.url, login.url, place, store, checking.named(place, summary.id))
    cluster.drop(database.name)


@pytest.fixture(scope="module")
def restored(made: Made) -> Iterator[str]:
    """The backup, restored."""
    with scratch.server() as server:
        restoring = Restoring(made.backup, made.manifest, [IDENTITY], server.url, server.version)
        restoring.run()
        yield restoring.target


@pytest.fixture(scope="module")
def small(cluster: Cluster) -> Iterator[tuple[Memory, str]]:
    """Two backups of a small database, in memory, and its URL."""
    database = cluster.create("small_backup", "template0")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("create table one as select g as id from generate_series(1, 50) as g")
        connection.execute("create table other (id int)")
    place = Memory()
    for _ in range(2):
        task(database.url, place).run()
    yield place, database.url
    cluster.drop(database.name)


def results(url: str, manifest: Manifest, damage: str = "") -> dict[str, str]:
    """What the checks say, after a damage that is taken back."""
    with connect(url, "test") as session, session.transaction(force_rollback=True):
        source.prepare(session)
        session.execute("set transaction read write")
        if damage:
            session.execute("set local search_path = public, pg_catalog")
            session.execute(damage.encode())
            session.execute("set local search_path = ''")
        return {check.name: check.result for check in drill.compared(session, manifest)}


def failing(url: str, manifest: Manifest, damage: str = "") -> set[str]:
    return {name for name, result in results(url, manifest, damage).items() if result == drill.FAILED}


def test_what_is_restored_is_what_was_backed_up(made: Made, restored: str):
    found = results(restored, made.manifest)
    assert {name for name, result in found.items() if result != drill.PASSED} == set()
    assert len(found) > 20
    large = next(table for table in made.manifest.tables if table.name == "large")
    assert (len(large.parts) > 5, large.rows) == (True, 20000), "a large table is in several parts"
    odd = [table for table in made.manifest.tables if table.schema == 'odd "schema']
    assert {table.name: table.rows for table in odd}["nothing"] == 1
    with psycopg.connect(restored) as connection:
        assert provision.row(connection, """select nextval('"odd ""schema"."a-sequence"')""") == (8,)
        assert provision.row(connection, 'select count from "odd ""schema".counted') == (20,)


DAMAGES = {
    "drop policy projects_select_own_or_public on public.projects": {"row policies"},
    "alter table public.projects disable trigger all": {"triggers"},
    "alter table public.users no force row level security": {"row security"},
    'update "odd ""schema".parent set id = 3': {"rows"},
    'delete from "odd ""schema".child': {"rows"},
    "grant select on private.audit_keys to anon": {"privileges"},
    "grant usage on schema private to anon": {"privileges"},
    "alter role anon bypassrls": {"roles"},
    'alter type "odd ""schema".mood add value \'other\'': {"types"},
    "create publication more": {"publications"},
    "alter database backed_up set work_mem = '5MB'": {"settings"},
    "alter function audit.anchor() security definer": {"functions"},
    'alter table "odd ""schema".empty drop constraint empty_c_fkey': {"foreign keys"},
    'alter table "odd ""schema".empty add check (id > 0)': {"constraints"},
    'create index on "odd ""schema".busy (a)': {"indexes"},
    'select setval(\'"odd ""schema"."a-sequence"\', 3)': {"sequences"},
    'alter table "odd ""schema".busy alter column a set default 5': {"columns"},
    "create or replace view audit.more as select 1 as one": {"relations", "views", "privileges", "access"},
    "alter table audit.log disable trigger user; delete from audit.log where entry = 1": {
        "rows",
        "triggers",
        "audit trail",
    },
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_check_finds_what_was_changed_since(made: Made, restored: str, damage: str):
    assert DAMAGES[damage] <= failing(restored, made.manifest, damage)


def test_the_drill_restores_compares_and_looks_for_files(made: Made):
    evidence = drill.Drill(made.backup, [IDENTITY], made.store).run()
    assert [check for check in evidence.checks if check.result == drill.FAILED] == []
    assert evidence.passed
    named = {check.name: check for check in evidence.checks}
    assert named["stored files"].detail == "1 are there in their versions and sizes"
    assert named["sealed tokens"].result == drill.SKIPPED
    assert "**Passed**" in evidence.as_markdown()


def test_a_file_whose_version_is_gone_fails_the_drill(made: Made):
    assert made.manifest.files
    task = drill.Drill(made.backup, [IDENTITY], made.store)
    (entry,) = made.store.s3.list_object_versions(Bucket=made.store.bucket, Prefix=made.store.tenant)["Versions"]
    where = {"Bucket": made.store.bucket, "Key": entry["Key"]}
    made.store.s3.delete_object(**where)
    assert task._files(made.manifest).result == drill.PASSED, "a delete marker takes no version away"
    made.store.s3.delete_object(**where, VersionId=entry["VersionId"])
    assert task._files(made.manifest).detail.endswith("is in the object store no more")


def test_rows_of_the_app_come_back_with_what_its_triggers_keep_and_into_the_trail(made: Made):
    """Rows whose person has left since stay gone; what only triggers and `up` write isn't restored by itself."""
    was = "select md5(string_agg(p::text, ',' order by p.id)) from public.projects as p"
    words = "select count(*) from private.project_words"
    trail = "select count(*) from audit.log where relation = 'public.projects' and operation = 'insert'"
    with psycopg.connect(made.url, autocommit=True) as connection:
        before = [provision.row(connection, query) for query in (was, words, trail)]
        connection.execute("delete from public.projects where owner_id = %s", (provision.ADA,))
        with rows.restored(made.url, made.backup, made.manifest, "public.projects", [IDENTITY]) as task:
            planned = task.plan()
            assert planned == rows.Plan(missing=3, differing=0, same=3, only_there=0)
            assert task.write(planned, replace=False) == rows.Written(3, 0, 0)
        assert [provision.row(connection, query) for query in (was, words)] == before[:2]
        assert provision.row(connection, trail) == (before[2][0] + 3,)
    for table in ("next_auth.users", "private.audit_keys", "storage.objects", "audit.heads"):
        with (
            pytest.raises(BackupError, match="aren't restored by themselves"),
            rows.restored(made.url, made.backup, made.manifest, table, [IDENTITY]),
        ):
            pass


def evidence(made: Made, result: str) -> drill.Evidence:
    found = drill.Evidence(made.backup.id, "dev", made.backup.summary.taken_at, 90, "", restore_seconds=2.5)
    found.checks = [drill.Check("rows", result, "")]
    return found


def test_the_end_of_a_drill_is_noted_for_up_and_status(made: Made):
    """By the login of backups, which can't say so of another backup; what is older is forgotten with the others."""
    where = connectionurl.parse(made.url)
    declared = BackupSettings({"daily": 1}, 1, 1, 1, ())
    first = overview._drilled(where, declared)
    assert first
    assert (first.drilled_at, first.late) == (None, True)
    assert instants.noted(made.backup_url, "dev", made.backup, None) == ""
    failed = overview._drilled(where, declared)
    assert failed
    assert (failed.drilled_at, failed.failed) == (None, made.backup.id)
    assert instants.noted(made.backup_url, "dev", made.backup, evidence(made, drill.PASSED)) == ""
    found = overview._drilled(where, declared)
    assert found
    assert (found.backup, found.failed, found.late) == (made.backup.id, None, False)
    assert (found.recovery_point_seconds, found.recovery_time_seconds, found.within_days) == (90, 2.5, 8)
    other = replace(made.backup, summary=replace(made.backup.summary, id="20260101T000000Z-00000001"))
    # What has the same id elsewhere is a copy, which may be whole where this one isn't.
    copied = replace(made.backup, place=places.Folder(Path("/elsewhere")))
    for backup, label in ((other, made.backup.place.label), (copied, "/elsewhere")):
        said = instants.noted(made.backup_url, "dev", backup, None)
        assert said == f"the database of stack dev knows no backup {backup.id} at {label}"
    again = overview._drilled(where, declared)
    assert again
    assert (again.backup, again.failed) == (made.backup.id, None)
    with psycopg.connect(made.url, autocommit=True) as connection:
        connection.execute("update private.backups set drilled_at = now() - interval '9 days'")
        late = overview._drilled(where, declared)
        assert late
        assert late.late
        connection.execute("update private.backups set kept_until = taken_at + interval '1 microsecond'")
        task(made.backup_url, Memory(), keep_days=3).run()
        assert len(connection.execute("select from private.backups").fetchall()) == 2, "its drill is known still"
        connection.execute("delete from private.backups where drilled_at is null")
        connection.execute(
            "update private.backups set drilled_at = null, passed = null, recovery_point = null,"
            f" recovery_time = null, kept_until = taken_at + interval '{instants.DAYS} days'"
        )


def test_a_function_of_drills_that_was_changed_is_a_line_of_status(database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("create schema ops")
        connection.execute("create function ops.drills() returns int language sql return 1")
    with pytest.raises(CommandError, match=r"^ops\.drills\(\) can't be asked: .*`\./vpb drift` compares it$"):
        overview._drilled(connectionurl.parse(database.url), None)


def test_a_drill_of_a_stack_that_can_not_be_reached_says_why_it_is_not_noted(made: Made):
    said = instants.drilled("nowhere", made.backup, evidence(made, drill.PASSED))
    assert "nowhere" in said
    assert "\n" not in said


def test_its_instant_is_noted_as_long_as_it_is_kept_and_of_one_that_failed_it_is_not(made: Made, tmp_path: Path):
    noted = "select backup, kept_until - taken_at, now() - taken_at < interval '1 hour' from private.backups"
    with psycopg.connect(made.url, autocommit=True) as connection:
        assert connection.execute(noted).fetchall() == [(made.backup.id, timedelta(days=instants.DAYS), True)]
        with pytest.raises(OSError, match="No space left"):
            task(made.backup_url, Full(tmp_path), store=made.store).run()
        assert len(connection.execute(noted).fetchall()) == 1
        connection.execute("update private.backups set kept_until = now(), taken_at = now() - interval '9 days'")
        another = task(made.backup_url, Memory(), keep_days=3).run()
        assert connection.execute(noted).fetchall() == [(another.id, timedelta(days=3), True)], "what ended goes"
        connection.execute("delete from private.backups")
        with (
            pytest.raises(BackupError, match="backup other can't be noted: new row for relation"),
            instants.kept(made.backup_url, "other", datetime.now(UTC), 3, "x"),
        ):
            pass


def test_a_database_that_knows_no_instants_is_backed_up_all_the_same(small: tuple[Memory, str]):
    with instants.kept(small[1], "20260101T000000Z-00000001", datetime.now(UTC), 1, "x") as noted:
        assert noted is False


def test_writes_meanwhile_are_in_all_of_it_or_in_none(small: tuple[Memory, str]):
    _, url = small
    done, place = threading.Event(), Memory()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table a (id int); create table b (id int)")

    def write() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not done.is_set():
                connection.execute(
                    "with made as (insert into a values (1) returning id) insert into b select id from made"
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            manifest = checking.named(place, task(url, place).run().id).manifest([IDENTITY])
            rows = {table.name: table.rows for table in manifest.tables}
            assert rows["a"] == rows["b"]
    finally:
        done.set()
        writer.join()


def damaged(place: Memory, chance: random.Random) -> tuple[str, str]:
    """One thing done to a backup: what, and to which of its objects."""
    id, other = sorted(place.backups())
    name, another = chance.sample(sorted(each for each in place.objects if each.startswith(id)), 2)
    data, kind = place.objects[name], chance.choice(("flip", "truncate", "remove", "swap", "append", "foreign"))
    if kind == "flip":
        at, bit = chance.randrange(len(data)), chance.randrange(8)
        place.objects[name] = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
    elif kind == "truncate":
        place.objects[name] = data[: chance.randrange(len(data))]
    elif kind == "remove":
        del place.objects[name]
    elif kind == "swap":
        place.objects[name], place.objects[another] = place.objects[another], data
    elif kind == "append":
        place.objects[name] = data + chance.randbytes(chance.randrange(1, 50))
    else:
        place.objects[name] = place.objects[name.replace(id, other)]
    return kind, name


@pytest.mark.parametrize("keys", [[IDENTITY], []], ids=["with its key", "without a key"])
def test_whatever_is_done_to_a_backup_is_found(small: tuple[Memory, str], keys: list[Any]):
    whole, _ = small
    id = min(whole.backups())
    assert checking.verify(checking.named(whole, id), keys) == []
    undetected = []
    for number in range(ROUNDS):
        place = Memory(dict(whole.objects))
        what = damaged(place, random.Random(number))
        try:
            found = checking.verify(checking.named(place, id), keys)
        except (BadBackup, BackupError) as error:
            found = [str(error)]
        # Another backup may be what is damaged: which one is said.
        undetected += [(number, what, found)] if not found or not all(f"backup {id}" in line for line in found) else []
    assert undetected == []


def test_a_manifest_of_another_backup_is_refused_also_where_the_summary_names_it(small: tuple[Memory, str]):
    whole, _ = small
    id, other = sorted(whole.backups())
    place = Memory(dict(whole.objects))
    place.objects[f"{id}/{MANIFEST}"] = place.objects[f"{other}/{MANIFEST}"]
    given = checking.named(whole, id).summary
    size, digest = checking.named(whole, other).summary.parts[MANIFEST]
    forged = type(given)(
        **{**vars(given), "manifest_sha256": digest, "parts": {**given.parts, MANIFEST: (size, digest)}}
    )
    place.objects[f"{id}/{SUMMARY}"] = forged.as_json()
    with pytest.raises(BadBackup, match=f"manifest.age: is that of backup {other}"):
        checking.named(place, id).manifest([IDENTITY])


def test_a_bucket_that_is_gone_is_named(store: Store):
    with pytest.raises(ClientError) as caught:
        places.Bucket(store.s3, "nowhere-at-all").backups()
    assert answered(caught.value).startswith("AWS: bucket nowhere-at-all: An error occurred (NoSuchBucket)")


def test_of_two_backups_of_one_second_the_later_one_is_the_newer() -> None:
    moment = datetime(2026, 11, 30, 7, 25, 50, 999_998, UTC)
    for _ in range(50):
        first, second, third = (new_id(moment + timedelta(microseconds=more)) for more in (0, 1, 2))
        assert first < second < third
        assert all(ID.fullmatch(each) for each in (first, second, third))


def test_another_key_opens_nothing(small: tuple[Memory, str]):
    whole, _ = small
    wrong = checking.verify(checking.named(whole, None), [pyrage.x25519.Identity.generate()])
    assert [line for line in wrong if "manifest.age: none of the identities opens it" in line] == wrong != []


def test_a_table_that_the_login_may_not_read_ends_it(cluster: Cluster, small: tuple[Memory, str]):
    _, url = small
    place = Memory()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop role if exists poor; create role poor login password 'poor'")
        login = {**psycopg.conninfo.conninfo_to_dict(url), "user": "poor", "password": "poor"}
        poor = psycopg.conninfo.make_conninfo(**login)
        with pytest.raises(BackupError, match="poor may not read it"):
            task(poor, place).run()
        connection.execute("grant select on all tables in schema public to poor")
        connection.execute("alter table one enable row level security; create policy few on one using (id < 5)")
        with pytest.raises(BackupError, match="row policies hide rows from poor"):
            task(poor, place).run()
        connection.execute("alter table one disable row level security; drop policy few on one")
        connection.execute("alter role poor connection limit 1")
        with psycopg.connect(poor), pytest.raises(CommandError, match='for role "poor"; another session has to end'):
            task(poor, place).run()
    assert place.objects == {}


KILLED = """
import sys, time
from pathlib import Path
import pyrage
from ops.backups import making, places, sealing
original = sealing.seal
def slow(place, backup, name, *rest):
    part = original(place, backup, name, *rest)
    if name.startswith("data-"):
        print(name, flush=True)
        time.sleep(60)
    return part
sealing.seal = slow
recipient = pyrage.x25519.Identity.generate().to_public()
making.Making("dev", sys.argv[1], places.Folder(Path(sys.argv[2])), [recipient]).run()
"""


def test_killed_in_the_middle_there_is_no_backup_and_a_later_one_tidies_up(small: tuple[Memory, str], tmp_path: Path):
    _, url = small
    place = places.Folder(tmp_path)
    command = [sys.executable, "-c", KILLED, url, str(tmp_path)]
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "clients" / "python")])
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}) as process:
        assert process.stdout
        assert process.stdout.readline().startswith(b"data-")
        process.send_signal(signal.SIGKILL)
    (left,) = place.backups()
    assert checking.listed(place) == []
    with pytest.raises(BackupError, match="there is no backup"):
        checking.named(place, None)
    assert making.remove_leftovers(place) == [], "it may be under way"
    old = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for each in (*(tmp_path / left).iterdir(), tmp_path / left):
        os.utime(each, (old, old))
    made = task(url, place).run()
    assert [*place.backups()] == [made.id]
    assert {each.stat().st_mode & 0o777 for each in (tmp_path / made.id).iterdir()} == {0o600}


class NoSpace:
    """Where nothing more fits."""

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


class Full(places.Folder):
    """A disk that is full after the structure."""

    @contextmanager
    def create(self, name: str) -> Iterator[places.Writer]:
        with super().create(name) as out:
            yield NoSpace() if "data-" in name else out


def test_where_the_disk_is_full_nothing_is_left(small: tuple[Memory, str], tmp_path: Path):
    with pytest.raises(OSError, match="No space left") as failed:
        task(small[1], Full(tmp_path)).run()
    assert failed.value.errno == errno.ENOSPC, "so that the command says it in one line"
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_stays_locked_ends_it(small: tuple[Memory, str], monkeypatch: pytest.MonkeyPatch):
    _, url = small
    monkeypatch.setattr(source, "LOCK_SECONDS", 0.2)
    monkeypatch.setitem(source.SETTINGS, "lock_timeout", "200ms")
    with psycopg.connect(url) as connection:
        connection.execute("lock table one in access exclusive mode")
        with pytest.raises(BackupError, match="a table is locked for longer than"):
            task(url, Memory()).run()


def broken(data: bytes) -> Iterator[bytes]:
    """What can't be read to its end."""
    yield data
    raise BackupError("the server ended the connection")


def test_what_is_sent_in_parts_to_a_bucket_comes_back(made: Made):
    data = random.Random(1).randbytes(places.PIECE * 2 + 5)
    part = sealing.seal(made.place, "large", "data-1.age", [data], [IDENTITY.to_public()])
    assert b"".join(sealing.unseal(made.place, "large", part, [IDENTITY])) == data
    with pytest.raises(BackupError):
        sealing.seal(made.place, "large", "never", broken(data), [IDENTITY.to_public()])
    assert not made.place.has("large/never")
    assert "Uploads" not in made.store.s3.list_multipart_uploads(Bucket=made.store.bucket)
    made.place.remove("large")
    assert not made.place.has("large/data-1.age")

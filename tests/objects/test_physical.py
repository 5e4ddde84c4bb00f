"""A server recovered from its files and WAL is as it was at the instant; what is damaged or missing is found.

One server, one base backup and one archive for all of it.
"""

import errno
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pyrage
import pytest
from botocore.exceptions import EndpointConnectionError
from visual_prompt_builder.names import key
from visual_prompt_builder.signing import Store

from declared.backups import BackupSettings
from declared.paths import CHECKOUT
from harness import recovery, scratch
from local import postgres
from local.paths import server_account
from local.ports import free_port
from ops import __main__ as ops
from ops.audit.server import ARCHIVE
from ops.backups import checking, drill, making, places, programs
from ops.backups.basemanifest import Range
from ops.backups.errors import BackupError, BadBackup
from ops.backups.manifest import PHYSICAL, SUMMARY, Summary
from ops.errors import answered
from ops.physical import archiver, looking, placing, records, recovering, segments, server, unpacking
from ops.physical import making as basing
from ops.physical.archive import Archive
from ops.physical.drill import PhysicalDrill

pytestmark = pytest.mark.xdist_group("physical")
IDENTITY = pyrage.x25519.Identity.generate()
FAILING = "select application_name from pg_stat_activity where application_name ~ '^vpb wal [0-9]'"
TABLES = """
create table one (id int primary key, t text);
insert into one select g, repeat('text ' || g, 20) from generate_series(1, 2000) as g;
create table load (id bigint generated always as identity primary key, filler text);
create schema storage;
create table storage.objects (bucket_id text, name text, version text, metadata jsonb);
create schema audit;
create table audit.heads (lane int, entries int, hash bytea);
insert into audit.heads values (1, 1, '\\xab');
create function audit.verify(anchor jsonb) returns table (kind text, detail text) language sql as $$
    select 'rewritten', 'lane 1' where (anchor #>> '{lanes,1,0}')::int > (select max(entries) from audit.heads)
$$"""
# An index whose order its own function doesn't agree with any more.
DISORDER = """
create function ordered(int, int) returns int language sql immutable as 'select $1 - $2';
create operator class disordered for type int using btree as
    operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 ordered(int, int);
create table disordered as select g from generate_series(1, 10) as g;
create index on disordered (g disordered);
create or replace function ordered(int, int) returns int language sql immutable as 'select $2 - $1'"""


@dataclass
class Kept:
    """A server, and what was kept of it."""

    server: postgres.RunningServer
    folder: Path
    backup: checking.Backup
    at: datetime
    """When the row 0 of table one was there."""
    store: Store

    @property
    def url(self) -> str:
        return self.server.url("app")

    @property
    def place(self) -> places.Folder:
        return places.Folder(self.folder / "kept")

    @property
    def archive(self) -> Archive:
        return Archive(self.place, Range.read(self.backup.summary.wal).system)


def run(url: str, statement: str, *given: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        done = connection.execute(statement.encode(), given or None)
        return done.fetchall() if done.description else []


def archiving(url: str, place: places.Place, spool: Path, stack: str = "dev", **more: Any) -> archiver.Archiver:
    return archiver.Archiver(stack, url, place, [IDENTITY.to_public()], spool, **more)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, store: Store) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("physical")
    name, version = f"{uuid4()}/me.png", str(uuid4())
    store.s3.put_object(Bucket=store.bucket, Key=key(store.tenant, "kept", name, version), Body=b"bytes")
    with scratch.server() as started:
        run(started.url("postgres"), "create database app")
        url, place, spool = started.url("app"), places.Folder(folder / "kept"), folder / "spool"
        run(url, TABLES)
        # It writes, and so would end segments of a server that is to be quiet.
        run(url, "alter system set autovacuum = off")
        run(url, "select pg_reload_conf()")
        archiving(url, place, spool).run(once=True)
        made = basing.Basing("dev", url, place, [IDENTITY.to_public()]).run()
        run(url, "insert into one values (0, 'lost later')")
        insert = "insert into storage.objects values ('kept', %s, %s, '{\"size\": 5}')"
        run(url, insert, name, version)
        ((at,),) = run(url, "select clock_timestamp()")
        time.sleep(0.01)
        run(url, "delete from one where id = 0")
        run(url, "delete from storage.objects")
        archiving(url, place, spool).run(once=True)
        yield Kept(started, folder, checking.named(place, made.id, PHYSICAL), at, store)


def drilled(kept: Kept, place: places.Place | None = None, identity: Any = IDENTITY, **more: Any) -> drill.Evidence:
    backup = kept.backup if place is None else checking.named(place, kept.backup.id, PHYSICAL)
    return PhysicalDrill(backup, [identity], kept.store, **more).run()


def results(evidence: drill.Evidence) -> dict[str, str]:
    return {check.name: check.result for check in evidence.checks}


def test_at_an_instant_what_was_written_is_there_and_a_later_delete_is_not(kept: Kept):
    made = list[Any]()

    def backed_up(found: recovering.Recovered) -> None:
        assert run(found.url("app"), "select count(*) from one where id = 0") == [(1,)]
        place = kept.folder / "logical"
        task = making.Making(
            "dev", found.url("app"), places.Folder(place), [IDENTITY.to_public()], kept.store, of=kept.at
        )
        task.jobs = 1
        made.append(checking.named(places.Folder(place), task.run().id))

    evidence = PhysicalDrill(kept.backup, [IDENTITY], kept.store, at=kept.at).run(backed_up)
    found = results(evidence)
    assert evidence.passed, evidence.as_markdown()
    passed = {"files", "WAL", "recovery", "heaps and indexes", "audit trail", "stored files"}
    assert {name for name, result in found.items() if result == drill.PASSED} == passed
    reached = datetime.fromisoformat(evidence.reached)
    assert kept.at - timedelta(seconds=10) < reached <= kept.at, "the last commit before the instant"
    # The backup that was made of it is a logical one of that instant, with the file that a row named then.
    (logical,) = made
    assert datetime.fromisoformat(logical.summary.taken_at) == kept.at
    manifest = logical.manifest([IDENTITY])
    assert {table.name: table.rows for table in manifest.tables}["one"] == 2001
    assert manifest.file_count == 1


def test_at_the_end_of_the_archive_a_broken_index_a_rewritten_trail_and_a_late_commit_are_found(kept: Kept):
    def meddle(found: recovering.Recovered) -> None:
        assert run(found.url("app"), "select count(*) from one where id = 0") == [(0,)]
        # A slot is an archive, for the audit.
        assert (len(run(found.url("app"), ARCHIVE)), run(kept.url, ARCHIVE)) == (1, [])
        run(found.url("app"), DISORDER + "; truncate audit.heads; insert into audit.heads values (1, 0, '')")
        # Nothing can be lost of a server that has handed over all that was written.
        followed = task.followed
        assert followed
        for other in (replace(followed, ended=followed.ended + 1), replace(followed, system="7")):
            task.followed = other
            assert not task._all_there(found)
        lost = "insert into storage.objects values ('kept', 'gone.png', '00000000-0000-4000-8000-000000000000', '{}')"
        run(found.url("app"), lost)

    promised = BackupSettings({"daily": 7}, 1, 1, 1, ("age1",))
    task = PhysicalDrill(kept.backup, [IDENTITY], kept.store, promised, newest=True)
    task.followed = handed_over(kept.place, kept)
    evidence = task.run(meddle)
    failed = {name for name, result in results(evidence).items() if result == drill.FAILED}
    assert failed == {"heaps and indexes", "audit trail", "stored files"}
    named = {check.name: check.detail for check in evidence.checks}
    assert "disordered_g_idx" in named["heaps and indexes"]
    assert "rewritten: lane 1" in named["audit trail"]
    assert results(evidence)["recovery point"] == results(evidence)["recovery time"] == drill.PASSED
    assert (evidence.age_seconds, named["recovery"].endswith("; nothing was written since")) == (0, True)
    late = replace(evidence, age_seconds=7200)
    assert [check.result for check in drill.kept(late, promised, True)] == [drill.PASSED, drill.FAILED]


@pytest.fixture
def copy(kept: Kept, tmp_path: Path) -> places.Folder:
    """What was kept, to be damaged."""
    shutil.copytree(kept.place.path, tmp_path / "copy", copy_function=os.link)
    return places.Folder(tmp_path / "copy")


def rewritten(path: Path, data: bytes) -> None:
    """The file is another one's too."""
    path.unlink()
    path.write_bytes(data)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    rewritten(path, bytes(data))


def segment(place: places.Folder, kept: Kept, number: int) -> Path:
    """A segment of the archive, counted from the end of the files."""
    wal = Range.read(kept.backup.summary.wal)
    name = segments.name(1, wal.last + number, wal.segment)
    (found,) = (place.path / "wal" / wal.system).glob(f"{name}-*.age")
    return found


def foreign(path: Path, place: places.Folder, kept: Kept) -> None:
    """Another server's segment, as that one's archiver would have stored it."""
    wal = Range.read(kept.backup.summary.wal)
    name = path.name.partition("-")[0]
    data = bytearray(kept.archive.content(name, [IDENTITY]))
    data[24:32] = (int(wal.system) + 1).to_bytes(8, sys.byteorder)
    path.unlink()
    plain = place.path / name
    plain.write_bytes(data)
    Archive(place, wal.system).store(plain, [IDENTITY.to_public()])


def handed_over(place: places.Folder, kept: Kept) -> server.Followed:
    """As a server says that has nothing more than what is archived."""
    wal = Range.read(kept.backup.summary.wal)
    last = segments.numbered(Archive(place, wal.system).names[-1], wal.segment)[1]
    with server.opened(kept.url) as session:
        return server.Followed(wal.system, wal.segment, last + 1, server.ended(session))


def test_the_newest_segments_are_missed_where_the_server_has_handed_them_over(
    kept: Kept, copy: places.Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(looking, "GRACE", 0)
    followed, newest = handed_over(copy, kept), Archive(copy, kept.archive.system).names[-1]
    assert looking.verified(copy, [], str, followed)[1] == []
    assert ops.main(["wal", "verify", "--stack", "nowhere", "--from", str(copy.path)]) == 0
    assert "; the server wasn't asked for its end\n" in capsys.readouterr().out
    (path,) = (copy.path / "wal" / followed.system).glob(f"{newest}-*")
    path.unlink()
    assert looking.verified(copy, [], str)[1] == [], "nothing else shows it"
    (line,) = looking.verified(copy, [], str, followed)[1]
    assert f"the server has handed over its WAL up to {newest}: " in line
    shutil.rmtree(copy.path / "wal")
    (line,) = looking.verified(copy, [], str, followed)[1]
    assert f"up to {newest}: " in line
    # What the slot says of it.
    assert server.followed(kept.url, "none") is None
    run(kept.url, "checkpoint")
    run(kept.url, "select pg_create_physical_replication_slot('vpb_here', true)")
    ((number,),) = run(
        kept.url, "select (restart_lsn - '0/0') / 16777216 from pg_replication_slots where slot_name = 'vpb_here'"
    )
    found = server.followed(kept.url, "here")
    assert found == server.Followed(followed.system, 16 << 20, int(number), followed.ended)
    run(kept.url, "insert into load (filler) values ('more')")
    run(kept.url, "select pg_switch_wal()")
    run(kept.url, "insert into load (filler) values ('more')")
    run(kept.url, "select pg_replication_slot_advance('vpb_here', pg_current_wal_lsn())")
    found = server.followed(kept.url, "here")
    assert found
    assert (found.number > number, found.ended) == (True, followed.ended + 2)
    run(kept.url, "select pg_drop_replication_slot('vpb_here')")


def test_what_is_damaged_missing_or_of_another_server_is_named_before_anything_is_recovered(
    kept: Kept, copy: places.Folder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("harness.recovery.Room.recover", lambda *_: pytest.fail("it was recovered"))
    last = segment(copy, kept, 1).name.partition("-")[0]
    base = copy.path / kept.backup.id / "base-000001.age"
    whole = base.read_bytes()
    with pytest.raises(BadBackup, match=r"manifest\.age: none of the identities opens it"):
        drilled(kept, copy, pyrage.x25519.Identity.generate())
    flipped(base)
    with pytest.raises(BadBackup, match=r"base-000001\.age: its SHA-256 is another one"):
        drilled(kept, copy)
    assert checking.verify(checking.named(copy, kept.backup.id, PHYSICAL), [IDENTITY]) != []
    rewritten(base, whole[: len(whole) // 2])
    with pytest.raises(BadBackup, match=r"base-000001\.age: has \d+ bytes and not"):
        drilled(kept, copy)
    rewritten(base, whole)
    flipped(path := segment(copy, kept, 1))
    with pytest.raises(BadBackup, match=f"WAL {last}"):
        drilled(kept, copy)
    sealed = path.read_bytes()
    for size, said in ((0, "it is cut off"), (100, "it is cut off"), (len(sealed) // 2, "decryption error")):
        rewritten(path, sealed[:size])
        with pytest.raises(BadBackup, match=f"WAL {last}-.*: is damaged: {said}"):
            drilled(kept, copy)
    foreign(path, copy, kept)
    with pytest.raises(BadBackup, match=f"{last}: is of another server"):
        drilled(kept, copy)
    assert any(f"{last}: is of another server" in line for line in looking.verified(copy, [IDENTITY], str)[1])


def test_a_missing_segment_is_named_and_what_comes_behind_it_is_not_taken_for_the_end(
    kept: Kept, copy: places.Folder, tmp_path: Path
):
    run(kept.url, "insert into load (filler) values ('more')")
    archiving(kept.url, copy, tmp_path / "spool").run(once=True)
    missing = segment(copy, kept, 1)
    name = missing.name.partition("-")[0]
    missing.unlink()
    with pytest.raises(BadBackup, match=f"segment {name}: is missing"):
        drilled(kept, copy)
    count, wrong = looking.verified(copy, [], str)
    assert (count > 1, [line for line in wrong if name in line]) == (True, wrong)
    # An instant behind it isn't reached, and one line says why.
    with pytest.raises(BadBackup, match=f"segment {name}: is missing"):
        drilled(kept, copy, at=datetime.now(UTC))


def test_an_instant_that_was_not_archived_yet_or_is_from_before_is_refused(kept: Kept):
    with pytest.raises(BackupError, match="has no commit from then on") as refused:
        drilled(kept, at=datetime.now(UTC) + timedelta(hours=1))
    assert "\n" not in str(refused.value)
    before = datetime.fromisoformat(kept.backup.summary.taken_at) - timedelta(seconds=1)
    with pytest.raises(BackupError, match="no complete physical backup from before"):
        unpacking.chosen(kept.place, None, before)
    with pytest.raises(BackupError, match="is whole from"):
        unpacking.chosen(kept.place, kept.backup.id, before)
    assert unpacking.chosen(kept.place, None, kept.at).id == kept.backup.id


KILLED = """
import sys
from pathlib import Path
from ops.backups import places, sealing
from ops.physical.archiver import Archiver
url, folder, spool, recipient = sys.argv[1:]
Archiver("killed", url, places.Folder(Path(folder)), sealing.recipients([recipient]), Path(spool), 0.3).run()
"""


def test_recovery_that_ends_in_a_damaged_segment_is_no_recovery(kept: Kept):
    """The server's own records of it, with one bit changed before it was sealed."""

    class Damaged(unpacking.Unpacking):
        def wal(self, folder: Path, chain: segments.Chain) -> None:
            super().wal(folder, chain)
            path = folder / chain.names[-2]
            data = bytearray(path.read_bytes()) if path.exists() else bytearray()
            assert data, "a segment that the archive has"
            data[8192 + 200] ^= 1
            path.write_bytes(data)

    for _ in range(2):
        run(kept.url, "insert into load (filler) select repeat('x', 1000) from generate_series(1, 2000)")
        archiving(kept.url, kept.place, kept.folder / "spool").run(once=True)
    with pytest.raises(BadBackup, match="recovery ended in it"), recovering.recovered(Damaged(kept.backup, [IDENTITY])):
        pass
    with recovering.recovered(unpacking.Unpacking(kept.backup, [IDENTITY])):
        pass


def test_an_archiver_that_is_killed_under_load_goes_on_without_a_gap(kept: Kept, tmp_path: Path):
    place, stopped = places.Folder(tmp_path / "place"), threading.Event()

    def write() -> None:
        with psycopg.connect(kept.url, autocommit=True) as connection:
            while not stopped.is_set():
                connection.execute(
                    "insert into load (filler) select repeat(md5(g::text), 20) from generate_series(1, 5000) g"
                )
                stopped.wait(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    words = [kept.url, str(place.path), str(tmp_path / "spool"), str(IDENTITY.to_public())]
    try:
        for turn in range(3):
            process = subprocess.Popen([sys.executable, "-c", KILLED, *words], cwd=CHECKOUT)
            there = len(stored(place))
            waited_for(lambda there=there: len(stored(place)) > there, process)
            time.sleep(0.05 * turn)
            process.send_signal(signal.SIGKILL)
            process.wait()
    finally:
        stopped.set()
        writer.join()
    archiving(kept.url, place, tmp_path / "spool", "killed").run(once=True)
    system = Range.read(kept.backup.summary.wal).system
    numbers = [segments.numbered(name, 16 << 20)[1] for name in Archive(place, system).names]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) > 3
    assert [path.name for path in (tmp_path / "spool" / system).iterdir() if len(path.name) == 24] == []
    run(kept.url, "select pg_drop_replication_slot('vpb_killed')")


def stored(place: places.Folder) -> list[str]:
    return [name for name in place.names("wal") if name.endswith(".age")]


def settled(place: places.Folder) -> int:
    """How many there are, once no more come of what was written before."""
    count, since = -1, time.monotonic()
    while time.monotonic() < since + 1.5:
        if (now := len(stored(place))) != count:
            count, since = now, time.monotonic()
        time.sleep(0.05)
    return count


def waited_for(condition: Any, process: "subprocess.Popen[bytes] | None" = None) -> None:
    for _ in range(600):
        if condition():
            return
        assert process is None or process.poll() is None, "it has ended by itself"
        time.sleep(0.05)
    raise AssertionError("it never came to it")


class Away(places.Folder):
    """A place that can be out of reach."""

    away = threading.Event()

    @contextmanager
    def create(self, name: str) -> Iterator[Any]:
        if self.away.is_set():
            raise EndpointConnectionError(endpoint_url="http://backups")
        with super().create(name) as out:
            yield out


def test_where_the_bucket_is_away_nothing_is_lost_and_a_quiet_server_makes_no_segments(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(archiver, "AGAIN", 0.1)
    # The slot begins here, and not where others have written.
    run(kept.url, "checkpoint")
    place, said = Away(tmp_path / "place"), list[str]()
    task = archiving(kept.url, place, tmp_path / "spool", "away", every=0.2, say=said.append)
    worker = threading.Thread(target=task.run)
    worker.start()
    try:
        run(kept.url, "insert into load (filler) values ('first')")
        waited_for(lambda: stored(place))
        quiet = settled(place)
        run(kept.url, "checkpoint")
        time.sleep(1)
        assert len(stored(place)) == quiet, "a checkpoint is nothing that anybody wrote"
        place.away.set()
        before = len(stored(place))
        for _ in range(3):
            run(kept.url, "insert into load (filler) values ('meanwhile')")
            ((end,),) = run(kept.url, "select pg_switch_wal()::text")
        waited_for(lambda: len(list((tmp_path / "spool").rglob("0*"))) >= 3)
        waited_for(lambda: any("trying again" in line for line in said))
        assert len(stored(place)) == before
        # The health of the database sees it there, though the slot is read.
        ((name,),) = run(kept.url, FAILING)
        assert re.fullmatch(r"vpb wal \d{10} vpb_away", name)
        place.away.clear()
        last = (segments.position(end) - 1) // (16 << 20)
        waited_for(lambda: any(segments.name(1, last, 16 << 20) in name for name in stored(place)))
        waited_for(lambda: not run(kept.url, FAILING))
        # A quiet server has nothing to store after the next trouble, and that ends too.
        run(kept.url, "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'vpb_away'")
        waited_for(lambda: run(kept.url, FAILING))
        waited_for(lambda: not run(kept.url, FAILING))
    finally:
        task.stopped.set()
        worker.join()
    trouble, _ = [line for line in said if "trying again" in line]
    assert trouble.startswith("AWS: Could not connect"), "said once"
    assert "going on" in said
    numbers = [segments.numbered(name, 16 << 20)[1] for name in task._archive.names]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    run(kept.url, "select pg_drop_replication_slot('vpb_away')")


def test_what_is_another_server_s_or_was_stored_with_other_contents_stops_the_archiver(kept: Kept, tmp_path: Path):
    wal = Range.read(kept.backup.summary.wal)
    name = segments.name(1, wal.last, wal.segment)
    data = bytearray(kept.archive.content(kept.archive.names[-1], [IDENTITY]))
    spool = tmp_path / "spool" / wal.system
    spool.mkdir(parents=True)
    (spool / name).write_bytes(data)
    with pytest.raises(BackupError, match="belongs into another segment; nothing of it was stored"):
        archiving(kept.url, kept.place, tmp_path / "spool").run(once=True)
    data[24:32] = (int(wal.system) + 1).to_bytes(8, sys.byteorder)
    (spool / name).write_bytes(data)
    with pytest.raises(BackupError, match="of another server"):
        archiving(kept.url, kept.place, tmp_path / "spool").run(once=True)
    # Of a copy of the same server: the identifier is the same, and the content isn't.
    newest = kept.archive.names[-1]
    (spool / name).unlink()
    (spool / newest).write_bytes(kept.archive.content(newest, [IDENTITY])[:-1] + b"\1")
    with pytest.raises(BackupError, match="has another content of it"):
        archiving(kept.url, kept.place, tmp_path / "spool").run(once=True)
    assert segments.Header.of(kept.archive.content(newest, [IDENTITY])) is not None


def test_a_slot_that_has_lost_wal_says_to_make_a_new_base_backup(kept: Kept, tmp_path: Path):
    place = places.Folder(tmp_path / "place")
    with server.opened(kept.url) as session:
        server.keep(session, "vpb_lost")
    run(kept.url, "alter system set max_slot_wal_keep_size = '1MB'")
    run(kept.url, "select pg_reload_conf()")
    for _ in range(4):
        run(kept.url, "insert into load (filler) values ('x')")
        run(kept.url, "select pg_switch_wal()")
    run(kept.url, "checkpoint")
    with pytest.raises(BackupError, match=r"vpb_lost: the server has removed WAL .* `./vpb backup --physical`"):
        archiving(kept.url, place, tmp_path / "spool", "lost").run(once=True)
    run(kept.url, "alter system set max_slot_wal_keep_size = '4096MB'")
    run(kept.url, "select pg_reload_conf()")
    run(kept.url, "select pg_drop_replication_slot('vpb_lost')")


def test_each_command_says_which_kind_of_backup_it_is_for(kept: Kept, tmp_path: Path):
    place = places.Folder(tmp_path / "both")
    shutil.copytree(kept.place.path, place.path, copy_function=os.link)
    logical = making.Making("dev", kept.url, place, [IDENTITY.to_public()]).run()
    assert {each.id: each.summary.kind for each in checking.listed(place)} == {
        logical.id: "logical",
        kept.backup.id: PHYSICAL,
    }
    assert checking.named(place, None).id == logical.id
    assert checking.named(place, None, PHYSICAL).id == kept.backup.id
    with pytest.raises(BackupError, match=f"{kept.backup.id}: is a physical one"):
        checking.named(place, kept.backup.id)
    with pytest.raises(BackupError, match=f"{logical.id}: is a logical one"):
        unpacking.chosen(place, logical.id, None)
    with pytest.raises(BackupError, match="is a physical one"):
        drill.Drill(kept.backup, [IDENTITY]).run()
    assert checking.verify(kept.backup, [IDENTITY]) == []


def test_wal_goes_with_the_oldest_physical_backup_and_is_no_leftover(kept: Kept, copy: places.Folder):
    wal = Range.read(kept.backup.summary.wal)
    before = Archive(copy, wal.system).names
    assert segments.numbered(before[0], wal.segment)[1] < wal.first, "there is something older"
    for path in copy.path.rglob("*"):
        os.utime(path, (0, 0))
    assert making.remove_leftovers(copy) == []
    basing.discard_old_wal(copy, wal.system)
    left = Archive(copy, wal.system).names
    assert left == [name for name in before if segments.numbered(name, wal.segment)[1] >= wal.first]
    copy.discard(f"{kept.backup.id}/{SUMMARY}")
    assert basing.discard_old_wal(copy, wal.system) == 0, "without a backup nothing says what is too old"
    assert Archive(copy, wal.system).names == left


def test_in_a_bucket_wal_lies_beside_backups_and_is_none(kept: Kept, store: Store, tmp_path: Path):
    place = places.Bucket(store.s3, store.bucket, f"{uuid4()}/")
    archive = Archive(place, "7")
    (history := tmp_path / "00000002.history").write_bytes(b"1\t0/5000000\tx\n")
    assert archive.store(history, [IDENTITY.to_public()])
    assert not Archive(place, "7").store(history, [IDENTITY.to_public()]), "it is there already"
    with place.create("20260101T000000Z-00000001/summary.json") as out:
        out.write(b"x")
    assert list(place.backups()) == ["20260101T000000Z-00000001"]
    assert Archive(place, "7").histories([IDENTITY]) == {2: "1\t0/5000000\tx\n"}
    (name,) = place.names("wal/7")
    place.discard(f"wal/7/{name}")
    assert list(place.names("wal")) == []


def test_tablespaces_elsewhere_are_refused_by_name_and_nothing_is_left(kept: Kept, tmp_path: Path):
    with psycopg.connect(kept.url, autocommit=True) as connection:
        connection.execute("set allow_in_place_tablespaces = on")
        connection.execute("create tablespace fast location ''")
    try:
        with pytest.raises(BackupError, match="tablespace fast: lies outside"):
            basing.Basing("dev", kept.url, places.Folder(tmp_path), [IDENTITY.to_public()]).run()
    finally:
        run(kept.url, "drop tablespace fast")
    assert list(tmp_path.iterdir()) == []


def test_a_login_without_the_right_is_refused_by_name(kept: Kept, tmp_path: Path):
    run(kept.url, "create role nobody_special login password 'x'")
    url = replace(kept.server, user="nobody_special", password="x").url("app")
    with pytest.raises(BackupError, match="login nobody_special: may not read WAL; `alter role"):
        archiving(url, places.Folder(tmp_path), tmp_path / "spool").run(once=True)
    run(kept.url, "alter role nobody_special replication")
    with pytest.raises(BackupError, match="grant execute on function pg_switch_wal"):
        archiving(url, places.Folder(tmp_path), tmp_path / "spool").run(once=True)
    run(kept.url, "drop role nobody_special")


def test_a_server_starts_from_the_folder_that_is_written_and_one_with_something_in_it_is_refused(kept: Kept):
    with recovery.folder() as room:
        folder = room / "restored"
        task = unpacking.Unpacking(kept.backup, [IDENTITY])
        placing.place(task, folder, kept.at)
        assert {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())} == dict.fromkeys(
            ("restored", "data", "wal"), 0o700
        )
        with pytest.raises(BackupError, match="isn't empty"):
            placing.place(task, folder, None)
        settings = (folder / "data" / "postgresql.auto.conf").read_text()
        assert "recovery_target_lsn = ''\n" in settings, "a server that was once restored would stop there again"
        for odd in ("a\\b", "a b", "a$(b)", "a'b"):
            with pytest.raises(BackupError, match="restore_command names it"):
                placing.place(task, room / odd, None)
        command = shlex.split(placing.start(task, folder))
        subprocess.run([*command, "-w"], check=True, cwd="/", stdout=subprocess.DEVNULL)
        port = int(command[command.index("-o") + 1].removeprefix("-p "))
        try:
            url = replace(kept.server, port=port).url("app")
            waited_for(lambda: postgres.ready(folder / "data", port))
            assert run(url, "select count(*) from one where id = 0") == [(1,)]
        finally:
            stop = [*command[: command.index("-D")], "-D", str(folder / "data"), "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, cwd="/", stdout=subprocess.DEVNULL)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that the account which runs servers gets into."""
    with recovery.folder() as folder:
        yield folder


def test_a_folder_where_the_server_could_not_get_is_refused(tmp_path: Path):
    (tmp_path / "closed").mkdir(mode=0o700)
    if account := server_account():
        with pytest.raises(BackupError, match=rf"account {account.pw_name}, which runs the server, can't get to it in"):
            placing.checked(tmp_path / "closed" / "a" / "b")


def test_a_restored_server_is_placed_whole_or_not_at_all(kept: Kept, reachable: Path):
    broken = unpacking.Unpacking(kept.backup, [IDENTITY])
    broken.chain = lambda: segments.Chain([], "000000010000000000000009", "00000001000000000000000A")  # type: ignore[method-assign]
    with pytest.raises(BadBackup, match="is missing"):
        placing.place(broken, reachable / "new", None)
    assert not (reachable / "new").exists()
    (reachable / "new").mkdir()
    with pytest.raises(BadBackup, match="is missing"):
        placing.place(broken, reachable / "new", None)
    assert list((reachable / "new").iterdir()) == []


def test_a_server_for_an_instant_that_was_not_archived_is_refused_with_the_last_one_and_leaves_nothing(
    kept: Kept, reachable: Path, monkeypatch: pytest.MonkeyPatch
):
    task, late = unpacking.Unpacking(kept.backup, [IDENTITY]), datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(task, "files", lambda data: pytest.fail("known before the files are fetched"))
    with pytest.raises(BackupError, match=r"has no commit from then on and the last one is of") as refused:
        placing.place(task, reachable / "new", late)
    (said,) = re.findall(r"is of (\S+);", str(refused.value))
    assert kept.at < datetime.fromisoformat(said) < datetime.now(UTC)
    with pytest.raises(BackupError, match=f"is of {re.escape(said)};"):
        placing.place(task, reachable / "new", datetime.fromisoformat(said))
    assert not (reachable / "new").exists()


def test_what_a_file_system_says_no_with_is_one_line_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place, path = places.Folder(tmp_path), tmp_path / "a" / "b.partial"
    for number, kind, said in (
        (errno.EIO, OSError, "Input/output error"),
        (errno.ESTALE, OSError, "Stale file handle"),
        (errno.EPROTO, BackupError, "Protocol error"),
    ):

        def fails(handle: int, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(places.os, "fsync", fails)
        monkeypatch.setattr(places, "_sync", str)
        with pytest.raises(kind) as failed, place.create("a/b") as out:
            out.write(b"x" * 100)
        error = failed.value
        assert (answered(error) if kind is OSError else str(error)) == f"{path}: {said}"
        assert list((tmp_path / "a").iterdir()) == []


def test_a_tar_file_that_leads_elsewhere_is_refused(kept: Kept, tmp_path: Path):
    import tarfile

    task = unpacking.Unpacking(kept.backup, [IDENTITY])
    for name, kind in (("../out", tarfile.REGTYPE), ("/out", tarfile.REGTYPE), ("pg_tblspc/1", tarfile.SYMTYPE)):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            member = tarfile.TarInfo(name)
            member.type = kind
            archive.addfile(member)
        task._blocks = lambda data=data: iter([data.getvalue()])  # type: ignore[method-assign]
        with pytest.raises(BadBackup, match=f"{name} is none of a server"):
            task.files(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_segment_that_was_damaged_in_the_spool_is_not_stored(kept: Kept, tmp_path: Path):
    system, name = kept.archive.system, kept.archive.names[0]
    place, whole = places.Folder(tmp_path / "place"), kept.archive.content(name, [IDENTITY])
    spooled = tmp_path / "spool" / system / name
    spooled.parent.mkdir(parents=True)
    data = bytearray(whole)
    # In a row, and in no header of a page.
    data[whole.index(b"text 1000text 1000")] ^= 1
    spooled.write_bytes(data)
    with pytest.raises(BackupError, match=rf"{name}: is damaged: pg_waldump: .*nothing of it was stored") as refused:
        archiving(kept.url, place, tmp_path / "spool", "damaged").run(once=True)
    assert ("\n" not in str(refused.value), stored(place), spooled.exists()) == (True, [], True)
    # Without pg_waldump: a page that is gone, and one that was written before.
    for page in (bytes(8192), whole[8192:16384]):
        with pytest.raises(BadBackup, match=f"{name}: is damaged: what is at byte (65536|73728)"):
            records.checked(spooled, whole[:65536] + page + whole[73728:], None)
    assert records.reader(150000, [programs.found(170000)]) is None


def test_segments_that_are_ended_early_or_full_of_one_long_record_are_undamaged(kept: Kept, tmp_path: Path):
    place = places.Folder(tmp_path / "place")
    archiving(kept.url, place, tmp_path / "spool", "long").run(once=True)
    run(kept.url, "select pg_logical_emit_message(true, 'long', repeat('x', 36000000))")
    task = archiving(kept.url, place, tmp_path / "spool", "long")
    task.run(once=True)
    assert (task.stored, task.gap) == (3, "")
    run(kept.url, "select pg_drop_replication_slot('vpb_long')")


def test_begun_segments_that_stop_pg_receivewal_are_received_anew_and_lost_ones_named(kept: Kept, tmp_path: Path):
    place, spool = places.Folder(tmp_path / "place"), tmp_path / "spool"

    def again(**more: Any) -> archiver.Archiver:
        run(kept.url, "insert into load (filler) values ('more')")
        task = archiving(kept.url, place, spool, "again", **more)
        task.run(once=True)
        return task

    def begun(task: archiver.Archiver, size: int) -> Path:
        """As a pg_receivewal that was killed leaves the next segment."""
        number = segments.numbered(task._archive.names[-1], 16 << 20)[1] + 1
        path = spool / kept.archive.system / f"{segments.name(1, number, 16 << 20)}.partial"
        path.write_bytes(b"")
        os.truncate(path, size)
        return path

    # What a full disk leaves.
    path = begun(again(), 4 << 20)
    task = again()
    assert (task.gap, path.stem in task._archive.names) == ("", True)
    path = begun(task, 16 << 20)
    run(kept.url, "select pg_drop_replication_slot('vpb_again')")
    for _ in range(2):
        run(kept.url, "insert into load (filler) values ('lost')")
        run(kept.url, "select pg_switch_wal()")
    run(kept.url, "checkpoint")
    said = list[str]()
    assert again(say=said.append).gap == path.stem
    assert [path.stem in line for line in said if "isn't in the archive" in line] == [True]
    assert (path.exists(), again().gap) == (False, "")
    run(kept.url, "select pg_drop_replication_slot('vpb_again')")


def test_trouble_that_lasts_is_said_again(kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(archiver, "REMIND", 0.2)
    monkeypatch.setattr(archiver, "LONGEST", 0.05)
    monkeypatch.setattr(archiver, "AGAIN", 0.05)
    place, said = Away(tmp_path / "place"), list[str]()
    monkeypatch.setattr(place.__class__, "away", threading.Event())
    place.away.set()
    task = archiving(kept.url, place, tmp_path / "spool", "often", every=0.2, say=said.append)
    worker = threading.Thread(target=task.run)
    worker.start()
    try:
        waited_for(lambda: run(kept.url, "select 1 from pg_replication_slots where slot_name = 'vpb_often' and active"))
        run(kept.url, "insert into load (filler) values ('more')")
        waited_for(lambda: len([line for line in said if "trying again" in line]) > 1)
    finally:
        task.stopped.set()
        worker.join()
    run(kept.url, "select pg_drop_replication_slot('vpb_often')")


def test_a_folder_that_is_none_or_goes_away_is_one_line(kept: Kept, tmp_path: Path):
    (file := tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="file: is no folder"):
        places.named(str(file), None)
    for below in (file / "below", Path("/proc/none")):
        with pytest.raises(BackupError, match="can't be made, as a folder"):
            basing.Basing("dev", kept.url, places.Folder(below), [IDENTITY.to_public()]).run()
    place = places.Folder(tmp_path / "place")
    for spool in (file, file / "below"):
        with pytest.raises(BackupError, match="--spool must name a folder"):
            archiving(kept.url, place, spool, "gone").run(once=True)
    task, failed = archiving(kept.url, place, tmp_path / "spool", "gone"), list[BackupError]()

    def work() -> None:
        with pytest.raises(BackupError, match="was removed, or can't be made; run this again") as refused:
            task.run()
        failed.append(refused.value)

    worker = threading.Thread(target=work)
    worker.start()
    waited_for(lambda: list((tmp_path / "spool").rglob("*.partial")))
    shutil.rmtree(tmp_path / "spool")
    worker.join(30)
    task.stopped.set()
    assert len(failed) == 1
    run(kept.url, "select pg_drop_replication_slot('vpb_gone')")


def test_a_damaged_summary_is_named_and_no_wal_goes_while_there_is_one(
    kept: Kept, copy: places.Folder, capsys: pytest.CaptureFixture[str]
):
    summary, wal = kept.backup.summary, Range.read(kept.backup.summary.wal)
    newer = replace(summary, id="20990101T000000Z-00000000", wal={**summary.wal, "start": summary.wal["end"]})
    with copy.create(f"{newer.id}/{SUMMARY}") as out:
        out.write(newer.as_json())
    path = copy.path / summary.id / SUMMARY
    assert Summary.read(path.read_bytes(), summary.id) == summary
    rewritten(path, path.read_bytes().replace(b'"tables": 0', b'"tables": 1'))
    before = Archive(copy, wal.system).names
    with pytest.raises(BackupError, match=rf"backup {summary.id}: summary\.json: was changed .* isn't known"):
        basing.discard_old_wal(copy, wal.system)
    assert Archive(copy, wal.system).names == before
    line = f"backup {summary.id}: summary.json: was changed since it was written"
    assert line in looking.verified(copy, [], str)[1]
    words = ["backups", "list", "--from", str(copy.path)]
    assert ops.main(words) == 0
    assert capsys.readouterr().err.splitlines() == [line]
    assert ops.main([*words, "--json"]) == 0
    listed = [(each["id"], each["state"]) for each in json.loads(capsys.readouterr().out)]
    assert listed == [(newer.id, "complete"), (summary.id, "damaged")]


@contextmanager
def standby(kept: Kept) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server that follows ours: its URL, and what promotes it."""
    account = server_account()
    identity: dict[str, Any] = {}
    with recovery.folder() as room:
        data, port = room / "standby", free_port()
        words = ["pg_basebackup", "-D", str(data), "-R", "-c", "fast", "-d", kept.server.url("postgres")]
        subprocess.run([programs.found(170000) / words[0], *words[1:]], check=True)
        if account:
            identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for path in (data, *data.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid)
        command = [postgres.usable(postgres.wheel_binaries(), room) / "pg_ctl", "-D", data, "-w"]

        def control(*more: object) -> None:
            done = subprocess.run(
                [str(word) for word in (*command, *more)], check=True, cwd="/", stdout=subprocess.DEVNULL, **identity
            )
            assert done.returncode == 0

        control("-l", data / "log", "-o", f"-p {port}", "start")
        try:
            yield replace(kept.server, port=port).url("app"), lambda: control("promote")
        finally:
            control("-m", "immediate", "stop")


def test_an_archive_follows_a_standby_that_was_promoted_and_a_drill_of_it_passes(kept: Kept, tmp_path: Path):
    place, spool = places.Folder(tmp_path / "place"), tmp_path / "spool"

    def archived(url: str) -> archiver.Archiver:
        task = archiving(url, place, spool, "switch")
        task.run(once=True)
        return task

    archived(kept.url)
    with standby(kept) as (url, promote):
        run(kept.url, "insert into one values (-1, 'replicated')")
        waited_for(lambda: run(url, "select 1 from one where id = -1"))
        promote()
        for _ in range(2):
            run(url, "insert into load (filler) values ('after')")
            run(url, "select pg_switch_wal()")
        run(url, "checkpoint")
        # A slot isn't replicated: what the archive misses from before it was made is named.
        assert archived(url).gap[:8] == "00000002"
        run(url, "insert into one values (-2, 'after')")
        made = basing.Basing("dev", url, place, [IDENTITY.to_public()]).run()
        run(url, "insert into one values (-3, 'archived')")
        task = archived(url)
        assert (task.gap, task._archive.names[-1][:8]) == ("", "00000002")
    seen = list[Any]()

    def look(found: recovering.Recovered) -> None:
        seen.append(run(found.url("app"), "select array_agg(id order by id desc) from one where id < 0"))

    done = PhysicalDrill(checking.named(place, made.id, PHYSICAL), [IDENTITY]).run(look)
    assert (done.passed, seen) == (True, [[([-1, -2, -3],)]]), done.as_markdown()
    run(kept.url, "delete from one where id < 0")
    run(kept.url, "select pg_drop_replication_slot('vpb_switch')")

"""The scanner's queue in the database: what gets into it, who may take and settle it, and whom the verdict reaches."""

from typing import Any

import psycopg
import pytest
from psycopg import sql

from ops.database import UnreachableError
from ops.storage.scanning.queue import Queue, Scan
from tests.objects.conftest import ADA, PROJECT, World

STORE = "insert into storage.objects (bucket_id, name, owner_id, version, metadata) values (%s, %s, %s, %s, %s)"
WAV = '{"mimetype": "audio/wav", "size": 3}'
SCANS = "select version, status, attempts from private.object_scans order by version"
RECORD = """
insert into public.audio_recordings (project_id, created_by, object_path)
select p.id, p.owner_id, f.path from public.projects as p join (values (%s)) as f (path) on f.path like p.id || '/%%'
"""
RECORDED = "select scan_status, scanned_at is not null from public.audio_recordings where object_path = %s"
ONE = f"{PROJECT}/one.wav"
DUE = "update private.object_scans set due_at = now() where status = 'pending'"


def add(world: World, name: str = ONE, version: str | None = "v1", bucket: str = "audio") -> None:
    world.run(STORE, bucket, name, ADA, version, WAV)


@pytest.fixture
def queue(world: World) -> Queue:
    return Queue(world.scanner_url)


def test_what_is_stored_in_any_bucket_waits_and_what_has_no_file_does_not(world: World, queue: Queue) -> None:
    add(world)
    add(world, f"{ADA}/me.png", "v2", "avatars")
    add(world, f"{PROJECT}/folder", None)
    assert queue.take(10) == [
        Scan("audio", ONE, "v1", "audio/wav", 1),
        Scan("avatars", f"{ADA}/me.png", "v2", "audio/wav", 1),
    ]


@pytest.mark.parametrize("join", ["hashjoin", "mergejoin", "nestloop"])
def test_what_waits_longest_is_taken_first_by_any_plan(world: World, join: str) -> None:
    for number in range(6):
        add(world, f"{PROJECT}/{number}.wav", f"v{number}")
    world.run("update private.object_scans set due_at = now() - substr(version, 2)::integer * interval '1 minute'")
    with psycopg.connect(world.scanner_url) as connection:
        for other in {"hashjoin", "mergejoin", "nestloop"} - {join}:
            connection.execute(sql.SQL("set {} = off").format(sql.Identifier(f"enable_{other}")))
        taken = connection.execute("select version from ops.take_scans(10)").fetchall()
    assert taken == [(f"v{number}",) for number in (5, 4, 3, 2, 1, 0)]


def test_an_upload_that_the_storage_api_only_tried_leaves_nothing(world: World, queue: Queue) -> None:
    with psycopg.connect(world.url) as connection:
        connection.execute(STORE, ("audio", ONE, ADA, "v1", WAV))
        connection.rollback()
    assert queue.take(10) == []


def test_two_scanners_never_take_the_same_file(world: World, queue: Queue) -> None:
    for number in range(6):
        add(world, f"{PROJECT}/{number}.wav", f"v{number}")
    with psycopg.connect(world.scanner_url) as first, psycopg.connect(world.scanner_url) as second:
        # Neither has committed: what the one holds, the other passes over and doesn't wait for.
        second.execute("set lock_timeout = '1s'")
        taken = [
            {row[2] for row in connection.execute("select * from ops.take_scans(4)")} for connection in (first, second)
        ]
    assert [len(part) for part in taken] == [4, 2]
    assert not taken[0] & taken[1]
    assert queue.take(10) == [], "all of them are somebody's for ten minutes"


@pytest.mark.parametrize("known", range(3))
def test_no_plan_takes_more_than_was_asked_for(world: World, known: int) -> None:
    """What the planner knows of the queue decides whether it looks for the files to take once or for each row."""
    for number in range(6):
        if number == known:
            with psycopg.connect(world.url, autocommit=True) as connection:
                connection.execute("vacuum analyze private.object_scans")
        add(world, f"{PROJECT}/{number}.wav", f"v{number}")
    with psycopg.connect(world.scanner_url) as connection:
        for join in ("hashjoin", "mergejoin", "material"):
            connection.execute(sql.SQL("set {} = off").format(sql.Identifier(f"enable_{join}")))
        assert len(connection.execute("select * from ops.take_scans(4)").fetchall()) == 4


def test_a_file_whose_scanner_died_is_taken_again_and_the_dead_one_settles_nothing(world: World, queue: Queue) -> None:
    add(world)
    (dead,) = queue.take()
    world.run(DUE)
    (alive,) = queue.take()
    assert (dead.attempt, alive.attempt) == (1, 2)
    assert not queue.settle(dead, "clean")
    assert not queue.retry(dead, 0)
    assert queue.settle(alive, "infected", "X")
    assert not queue.settle(alive, "clean"), "a verdict stands"
    assert world.run(SCANS) == [("v1", "infected", 2)]


def test_a_scan_that_failed_is_due_again_later(world: World, queue: Queue) -> None:
    add(world)
    (scan,) = queue.take()
    assert queue.retry(scan, 60)
    assert queue.take() == []
    assert world.run(
        "select due_at between now() + interval '50 s' and now() + interval '60 s' from private.object_scans"
    )[0] == (True,)


@pytest.mark.parametrize(
    ("verdict", "told"), [("clean", "clean"), ("infected", "infected"), ("refused", "failed"), ("failed", "failed")]
)
@pytest.mark.parametrize("recorded_first", [True, False])
def test_the_recording_tells_the_verdict_whenever_it_was_written(
    world: World, queue: Queue, verdict: str, told: str, recorded_first: bool
) -> None:
    add(world)
    if recorded_first:
        world.run(RECORD, ONE)
        assert world.run(RECORDED, ONE) == [("pending", False)]
    (scan,) = queue.take()
    queue.settle(scan, verdict, "because")
    if not recorded_first:
        world.run(RECORD, ONE)
    assert world.run(RECORDED, ONE) == [(told, True)]


def test_a_recording_that_is_written_while_its_file_is_settled_is_not_left_behind(world: World, queue: Queue) -> None:
    add(world)
    (scan,) = queue.take()
    with psycopg.connect(world.url) as connection:
        connection.execute(RECORD, (ONE,))
        # The scanner waits for the recording, and then sees it.
        with psycopg.connect(world.scanner_url) as scanner:
            scanner.execute("set lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                scanner.execute("select ops.settle_scan('audio', %s, 'v1', 1, 'clean', null, 'x')", (ONE,))
    assert queue.settle(scan, "clean")
    assert world.run(RECORDED, ONE) == [("clean", True)]


def test_another_version_is_another_file(world: World, queue: Queue) -> None:
    add(world)
    world.run(RECORD, ONE)
    queue.settle(queue.take()[0], "clean")
    world.run("update storage.objects set version = 'v2', updated_at = now() where name = %s", ONE)
    assert world.run(SCANS) == [("v2", "pending", 0)]
    assert world.run(RECORDED, ONE) == [("pending", False)]


def test_what_says_nothing_of_the_file_starts_no_scan(world: World, queue: Queue) -> None:
    add(world)
    queue.settle(queue.take()[0], "clean")
    world.run("""update storage.objects set last_accessed_at = now(), metadata = metadata || '{"eTag": "x"}'""")
    assert world.run(SCANS) == [("v1", "clean", 1)]
    world.run("""update storage.objects set metadata = metadata || '{"mimetype": "text/html"}'""")
    assert world.run(SCANS) == [("v1", "pending", 0)], "it would be served as a page"


def test_a_verdict_ends_with_the_object_but_for_a_bad_one(world: World, queue: Queue) -> None:
    add(world)
    add(world, f"{PROJECT}/bad.wav", "v2")
    for scan in queue.take(2):
        queue.settle(scan, "infected" if "bad" in scan.name else "clean", "X")
    world.run("begin; set local storage.allow_delete_query = 'true'; delete from storage.objects; commit")
    assert world.run(SCANS) == [("v2", "infected", 1)]
    add(world, f"{PROJECT}/bad.wav", "v2")
    assert world.run(SCANS) == [("v2", "infected", 1)], "the same file again is no other"


def test_the_owner_is_told_of_bad_news_and_only_of_that(world: World, queue: Queue) -> None:
    for number, owner in enumerate([ADA, "no uuid", "00000000-0000-7000-8000-0000000000ff", None]):
        # Of a project somebody who may edit it stores; of the rest the row may say anything.
        bucket, folder = ("audio", PROJECT) if owner == ADA else ("avatars", ADA)
        world.run(STORE, bucket, f"{folder}/{number}.wav", owner, f"v{number}", WAV)
    add(world)
    world.run(RECORD, f"{PROJECT}/0.wav")
    for scan in queue.take(10):
        queue.settle(scan, "clean" if scan.name == ONE else "infected", "Eicar")
    (told,) = world.run("select user_id::text, action, details, project_id is not null from analytics.user_activity")
    assert told == (ADA, "storage.infected", {"bucket": "audio", "name": f"{PROJECT}/0.wav", "found": "Eicar"}, True)


@pytest.mark.parametrize(
    "statement",
    [
        "select * from private.object_scans",
        "select * from public.audio_recordings",
        "select * from storage.objects",
        "select * from public.users",
        "insert into analytics.user_activity (user_id, action) values (gen_random_uuid(), 'a')",
        "select private.is_clean('a', 'b', 'c')",
        "select private.take_scans(1)",
        "select ops.release_file('a', 'b', 'c', 'd', 'e', true)",
        "select ops.note_restored('a', 'b', 'c', 'd', 'e', 'f')",
        "set role service_role",
    ],
)
def test_the_scanners_login_can_do_nothing_else(world: World, statement: str) -> None:
    with psycopg.connect(world.scanner_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_servers_note_no_restore_that_they_havent_made(world: World) -> None:
    with psycopg.connect(world.url) as connection:
        connection.execute("set role service_role")
        noted = connection.execute("select ops.note_restored('a', 'b', 'c', 'd', 'e', 'f')").fetchone()
        assert noted == (False,)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "authjs"])
def test_nobody_else_reaches_the_queue(world: World, role: str) -> None:
    with psycopg.connect(world.url) as connection:
        connection.execute(f"set role {role}".encode())
        for statement in (
            "select * from private.object_scans",
            "select * from ops.take_scans(1)",
            "select ops.settle_scan('a', 'b', 'c', 1, 'clean', null, 'x')",
            "select ops.reopen_scans()",
            "select ops.release_file('a', 'b', 'c', 'd', 'e', true)",
            # The app's servers note what they restore in the same transaction, see test_restoring.py.
            *([] if role == "service_role" else ["select ops.note_restored('a', 'b', 'c', 'd', 'e', 'f')"]),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement.encode())


def test_row_policies_can_ask_whether_a_version_is_clean(world: World, queue: Queue) -> None:
    add(world)
    # As a row policy would: its expression is read once by the role that makes it, and run by those that it binds.
    with psycopg.connect(world.url) as connection:
        connection.execute(
            f"create view public.clean as select private.is_clean('audio', '{ONE}', 'v1') as it".encode()
        )
        connection.execute("grant select on public.clean to anon")

        def ask() -> Any:
            connection.execute("set local role anon")
            answer = connection.execute("select it from public.clean").fetchall()
            connection.execute("reset role")
            return answer

        assert ask() == [(False,)]
        connection.execute("update private.object_scans set status = 'clean', scanned_at = now()")
        assert ask() == [(True,)]
        connection.rollback()


def test_a_database_that_is_away_is_one_line_without_the_password() -> None:
    with pytest.raises(UnreachableError) as caught:
        Queue("postgresql://scanner:geheim@127.0.0.1:1/db").take()
    assert "geheim" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1

"""The cleaner's login: what it finds and deletes, and that it reaches nothing else. The job is in tests/objects."""

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, refused, row

GONE = "00000000-0000-7000-8000-0000000000ff"
FOUND = "select id, bucket_id, name, version, metadata, created_at, updated_at from storage.objects"
QUARANTINE = "select name, abandoned from ops.quarantine() order by 1"


@pytest.fixture
def stored(people: Connection) -> Connection:
    """A recording of Ada's, a file of hers, and harmful ones of hers, of somebody's who is gone and of nobody's."""
    people.execute("insert into storage.buckets (id, name) values ('audio', 'audio')")
    names = [f"{ADA}/one.ogg", f"{ADA}/two.ogg", f"{ADA}/bad.ogg", f"{GONE}/bad.ogg", "bad.ogg"]
    people.execute(
        "insert into storage.objects (bucket_id, name, version) "
        "select 'audio', name, 'v' from unnest(%s::text[]) as name",
        (names,),
    )
    people.execute(
        "insert into public.audio_recordings (project_id, created_by, object_path, mime_type, bytes) "
        "select id, owner_id, owner_id || '/one.ogg', 'audio/ogg', 1 from public.projects "
        "where owner_id = %s and title = 'private'",
        (ADA,),
    )
    people.execute("update private.object_scans set status = 'infected', scanned_at = now() where name like '%bad.ogg'")
    return people


def test_it_finds_every_row_and_deletes_what_it_names(stored):
    with acting_as(stored, "cleaner") as session:
        assert len(session.execute(FOUND).fetchall()) == 5
        refused(session, psycopg.errors.InsufficientPrivilege, "delete from storage.objects")
        session.execute("set local storage.allow_delete_query = 'true'")
        assert session.execute("delete from storage.objects where version = 'v'").rowcount == 5
    assert row(stored, "select count(*) from storage.objects") == (5,)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into storage.objects (bucket_id, name) values ('audio', 'x')",
        "update storage.objects set name = 'x'",
        "update storage.objects set version = 'x'",
        "select * from storage.objects",
        "select owner_id from storage.objects",
        "select user_metadata from storage.objects",
        "truncate storage.objects",
        "select * from storage.buckets",
        "delete from storage.buckets",
        "select * from public.users",
        "select object_path from public.audio_recordings",
        "select transcript from public.audio_recordings",
        "select * from public.projects",
        "select * from private.deletion_queue",
        "insert into private.deletion_queue (bucket_id, object_path) values ('audio', 'x')",
        "select * from private.object_scans",
        "update private.object_scans set status = 'clean'",
        "select * from private.quarantine()",
        "select * from private.storage_usage",
        "select * from ops.take_scans(1)",
        "select ops.settle_scan('audio', 'x', 'v', 1, 'clean', null)",
        "select * from ops.storage_report()",
        "select ops.forget_expired()",
    ],
)
def test_it_may_nothing_else(stored, statement):
    with acting_as(stored, "cleaner") as session:
        refused(session, psycopg.errors.InsufficientPrivilege, statement)


def test_of_recordings_it_learns_whether_there_is_one_of_a_name_that_it_knows(stored):
    asked = (["audio", "audio", "other"], [f"{ADA}/one.ogg", f"{ADA}/two.ogg", f"{ADA}/one.ogg"])
    with acting_as(stored, "cleaner") as session:
        found = session.execute("select bucket_id, name from ops.recorded_objects(%s, %s)", asked).fetchall()
    assert found == [("audio", f"{ADA}/one.ogg")]


def test_a_verdict_is_forgotten_with_its_person_and_not_before(stored):
    forget = "select ops.forget_quarantined('audio', %s, 'v')"
    with acting_as(stored, "cleaner") as session:
        there = [(f"{ADA}/bad.ogg", False), (f"{GONE}/bad.ogg", True), ("bad.ogg", False)]
        assert session.execute(QUARANTINE).fetchall() == there
        for name, gone in ((f"{ADA}/bad.ogg", False), ("bad.ogg", False), (f"{ADA}/two.ogg", False)):
            assert row(session, forget, (name,)) == (gone,), name
        assert row(session, forget, (f"{GONE}/bad.ogg",)) == (True,)
        assert session.execute(QUARANTINE).fetchall() == [there[0], there[2]]


def test_it_takes_what_waits_and_strikes_it_off(stored):
    stored.execute("delete from next_auth.users where id = %s", (ADA,))
    with acting_as(stored, "cleaner") as session:
        # A recorded file waits twice where its recording goes first.
        waiting = session.execute("select distinct object_path from ops.waiting_deletions() order by 1").fetchall()
        assert [name for (name,) in waiting] == [f"{ADA}/{file}.ogg" for file in ("bad", "one", "two")]
        taken = session.execute("select id, object_path, queued_at from ops.take_deletions(10)").fetchall()
        assert sorted({each[1] for each in taken}) == [name for (name,) in waiting]
        assert session.execute("select * from ops.take_deletions(10)").fetchall() == [], "others skip them"
        assert row(session, "select ops.finish_deletions(%s)", ([each[0] for each in taken],)) == (len(taken),)
        assert session.execute("select * from ops.waiting_deletions()").fetchall() == []


def test_whoever_stores_nothing_is_counted_no_longer(stored):
    stored.execute("insert into private.storage_usage values (%s, 'audio', 0, 0)", (BOB,))
    with acting_as(stored, "cleaner") as session:
        assert row(session, "select ops.forget_empty_usage()") == (1,)
    assert row(stored, "select count(*) > 0 from private.storage_usage") == (True,)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "scanner", "monitor", "storage_service"])
def test_nobody_else_reaches_what_is_the_cleaners(stored, role):
    for call in ("ops.quarantine()", "ops.waiting_deletions()", "ops.recorded_objects('{}', '{}')"):
        with acting_as(stored, role) as session:
            refused(session, psycopg.errors.InsufficientPrivilege, f"select * from {call}")

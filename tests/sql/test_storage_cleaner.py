"""The cleaner's login: what it finds and deletes, and that it reaches nothing else. The job is in tests/objects."""

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, add_file, add_recording, refused, row

GONE = "00000000-0000-7000-8000-0000000000ff"
PROJECT = "00000000-0000-7000-8000-0000000000a1"
FOUND = "select id, bucket_id, name, version, metadata, created_at, updated_at from storage.objects"
QUARANTINE = "select name, abandoned from ops.quarantine() order by 1"


@pytest.fixture
def stored(people: Connection) -> Connection:
    """A recording of Ada's project, files of it and of hers, and harmful ones, also of whom and what is gone."""
    people.execute("insert into public.projects (id, owner_id, title) values (%s, %s, 'one')", (PROJECT, ADA))
    add_recording(people, PROJECT, "one.ogg")
    people.execute("insert into next_auth.users (id) values (%s)", (GONE,))
    for bucket, name in (
        ("audio", f"{PROJECT}/two.ogg"),
        ("audio", f"{PROJECT}/bad.ogg"),
        ("avatars", f"{ADA}/bad.ogg"),
        ("avatars", f"{GONE}/bad.ogg"),
        ("avatars", "bad.ogg"),
    ):
        add_file(people, name, bucket)
    people.execute("update private.object_scans set status = 'infected', scanned_at = now() where name like '%bad.ogg'")
    people.execute("delete from next_auth.users where id = %s", (GONE,))
    people.execute("delete from private.deletion_queue")
    people.execute("delete from private.departures")
    return people


def test_it_finds_every_row_and_deletes_what_it_names(stored):
    with acting_as(stored, "cleaner") as session:
        assert len(session.execute(FOUND).fetchall()) == 6
        refused(session, psycopg.errors.InsufficientPrivilege, "delete from storage.objects")
        session.execute("set local storage.allow_delete_query = 'true'")
        assert session.execute("delete from storage.objects where version = 'v'").rowcount == 6
    assert row(stored, "select count(*) from storage.objects") == (6,)


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
        "select * from private.unserved_files",
        "select * from private.object_scans",
        "update private.object_scans set status = 'clean'",
        "select * from private.quarantine()",
        "select * from private.storage_usage",
        "select * from ops.take_scans(1)",
        "select ops.settle_scan('audio', 'x', 'v', 1, 'clean', null, 'x')",
        "select * from ops.storage_report()",
        "select ops.forget_expired()",
    ],
)
def test_it_may_nothing_else(stored, statement):
    with acting_as(stored, "cleaner") as session:
        refused(session, psycopg.errors.InsufficientPrivilege, statement)


def test_of_recordings_it_learns_whether_there_is_one_of_a_name_that_it_knows(stored):
    asked = (["audio", "audio", "other"], [f"{PROJECT}/one.ogg", f"{PROJECT}/two.ogg", f"{PROJECT}/one.ogg"])
    with acting_as(stored, "cleaner") as session:
        found = session.execute("select bucket_id, name from ops.recorded_objects(%s, %s)", asked).fetchall()
    assert found == [("audio", f"{PROJECT}/one.ogg")]


def test_a_verdict_is_forgotten_with_its_person_or_project_and_not_before(stored):
    forget = "select ops.forget_quarantined(%s, %s, 'v')"
    theirs, mine, gone, loose = (f"{folder}bad.ogg" for folder in (f"{PROJECT}/", f"{ADA}/", f"{GONE}/", ""))
    with acting_as(stored, "cleaner") as session:
        there = [(mine, False), (theirs, False), (gone, True), (loose, False)]
        assert session.execute(QUARANTINE).fetchall() == there
        for bucket, name in (("avatars", mine), ("audio", theirs), ("avatars", loose), ("audio", f"{PROJECT}/two.ogg")):
            assert row(session, forget, (bucket, name)) == (False,), name
        assert row(session, forget, ("avatars", gone)) == (True,)
        session.execute("set local storage.allow_delete_query = 'true'")
        session.execute("delete from storage.objects where name = %s", (loose,))
        assert row(session, forget, ("avatars", loose)) == (True,), "its row is gone"
        session.execute("reset role")
        session.execute("delete from public.projects where id = %s", (PROJECT,))
        session.execute("set local role cleaner")
        assert session.execute(QUARANTINE).fetchall() == [there[0], (theirs, True)]
        assert row(session, forget, ("audio", theirs)) == (True,)


def test_it_takes_what_waits_and_strikes_it_off(stored):
    stored.execute("delete from next_auth.users where id = %s", (ADA,))
    with acting_as(stored, "cleaner") as session:
        # A recorded file waits twice where its recording goes first.
        waiting = session.execute("select distinct object_path from ops.waiting_deletions() order by 1").fetchall()
        files = [f"{ADA}/bad.ogg", *(f"{PROJECT}/{file}.ogg" for file in ("bad", "one", "two"))]
        assert [name for (name,) in waiting] == files
        taken = session.execute("select id, object_path, queued_at from ops.take_deletions(10)").fetchall()
        assert sorted({each[1] for each in taken}) == files
        assert session.execute("select * from ops.take_deletions(10)").fetchall() == [], "others skip them"
        assert row(session, "select ops.finish_deletions(%s)", ([each[0] for each in taken],)) == (len(taken),)
        assert session.execute("select * from ops.waiting_deletions()").fetchall() == []


def test_who_leaves_takes_nothing_of_anothers_project_along(stored):
    bobs = "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, 'editor', now())"
    stored.execute(bobs.encode(), (PROJECT, BOB))
    stored.execute("update storage.objects set owner_id = %s where bucket_id = 'audio'", (BOB,))
    stored.execute("delete from next_auth.users where id = %s", (BOB,))
    assert row(stored, "select count(*) from private.deletion_queue") == (0,)


def test_a_batch_of_what_is_in_nobodys_folder_reads_no_more_than_the_batch(stored):
    """However many there are: what a night removes is read once."""
    stored.execute("set local storage.allow_delete_query = 'true'; delete from storage.objects")
    stored.execute(
        "insert into storage.objects (bucket_id, name, version, created_at, updated_at) "
        "select 'avatars', gone || '/' || n, n, now() - interval '2 days', now() - interval '2 days' "
        "from generate_series(1, 5000) as n, (values (%s)) as g (gone)",
        (ADA,),
    )
    stored.execute("delete from public.users where id = %s", (ADA,))
    read = "select pg_stat_get_xact_tuples_fetched('storage.objects'::regclass)"
    with acting_as(stored, "cleaner") as session:
        assert row(session, "select ops.count_abandoned('1 day')") == (5000,)
        session.execute("reset role")
        before = row(session, read)[0]
        session.execute("set local role cleaner")
        assert len(session.execute("select * from ops.abandoned_files('1 day', 10)").fetchall()) == 10
        session.execute("reset role")
        assert row(session, read)[0] - before < 100


def test_whoever_stores_nothing_is_counted_no_longer(stored):
    stored.execute("insert into private.storage_usage values (%s, 'audio', 0, 0)", (BOB,))
    with acting_as(stored, "cleaner") as session:
        assert row(session, "select ops.forget_empty_usage()") == (1,)
    assert row(stored, "select count(*) > 0 from private.storage_usage") == (True,)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "scanner", "monitor", "storage_service"])
def test_nobody_else_reaches_what_is_the_cleaners(stored, role):
    for call in (
        "ops.quarantine()",
        "ops.waiting_deletions()",
        "ops.unserved_files(1)",
        "ops.abandoned_files('0', 1)",
        "ops.count_abandoned('0')",
        "ops.recorded_objects('{}', '{}')",
    ):
        with acting_as(stored, role) as session:
            refused(session, psycopg.errors.InsufficientPrivilege, f"select * from {call}")


ENDED = "update private.unserved_files set ended_at = now() - interval '2 minutes'"


@pytest.mark.parametrize(
    ("change", "ended"),
    [
        ("delete from storage.objects", ["bad.ogg", "one.ogg", "two.ogg"]),
        ("update storage.objects set version = 'w' where name like '%two.ogg'", ["two.ogg"]),
        ("update storage.objects set name = name || 'x' where name like '%two.ogg'", ["two.ogg"]),
        ("update storage.objects set version = version, updated_at = now(), last_accessed_at = now()", []),
        ("delete from public.projects", []),
    ],
)
def test_whatever_way_a_version_ends_the_cdn_is_to_forget_it(stored, change, ended):
    """The file of a row that stays is still served; a move leaves the old name behind."""
    stored.execute("delete from private.unserved_files")
    stored.execute("set local storage.allow_delete_query = 'true'")
    stored.execute("delete from storage.objects where bucket_id = 'avatars'")
    stored.execute("delete from private.unserved_files")
    stored.execute(change.encode())
    with acting_as(stored, "cleaner") as session:
        assert session.execute("select * from ops.unserved_files(10)").fetchall() == [], "its file may still be there"
        session.execute("reset role")
        session.execute(ENDED)
        session.execute("set local role cleaner")
        found = session.execute("select id, bucket_id, object_path, version from ops.unserved_files(10)").fetchall()
        assert sorted(path.rpartition("/")[2] for _, bucket, path, _ in found if bucket == "audio") == ended
        assert row(session, "select ops.finish_unserved(%s)", ([each[0] for each in found],)) == (len(ended),)
        assert session.execute("select * from ops.unserved_files(10)").fetchall() == []


def test_what_no_rows_end_says_is_queued_where_the_cdn_serves_it_and_struck_off_when_it_is_gone(stored):
    stored.execute("delete from private.unserved_files")
    (name, version) = row(stored, "select name, version from storage.objects where bucket_id = 'audio' limit 1")
    given = (["audio", "audio", "exports", "audio"], [name, "gone.ogg", "a", ""], [version, "v", "v", ""])
    with acting_as(stored, "scanner") as session:
        queued = session.execute("select * from ops.unserve(%s, %s, %s)", given).fetchall()
        assert queued == [("audio", name, version), ("audio", "gone.ogg", "v")], "no bucket as a whole"
        session.execute("reset role")
        session.execute("set local role cleaner")
        assert row(session, "select ops.finish_gone(%s, %s, %s)", given) == (1,)
        session.execute("reset role")
        assert row(session, "select object_path from private.unserved_files") == (name,), "its row is there"


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "storage_service", "monitor", "authjs"])
def test_nobody_else_says_what_the_cdn_is_to_forget(stored, role):
    for call in ("ops.unserve('{a}', '{b}', '{c}')", "ops.finish_gone('{a}', '{b}', '{c}')"):
        with acting_as(stored, role) as session:
            refused(session, psycopg.errors.InsufficientPrivilege, f"select {call}")

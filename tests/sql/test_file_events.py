"""What became of stored files, as the app's server hears it; and how much is stored, day by day."""

import pytest

from tests.sql.provision import ADA, Connection, acting_as, add_file, row

TAKE = "select object_path, event, attempts from public.take_file_events(%s)"
SETTLE = "select ops.settle_scan('audio', t.name, t.version, t.attempt, %s, null, 'x') from ops.take_scans(1) as t"


@pytest.fixture
def project(people: Connection) -> str:
    people.execute("delete from private.file_events")
    (found,) = row(people, "select id::text from public.projects where owner_id = %s limit 1", (ADA,))
    return str(found)


def settle(people: Connection, verdict: str) -> None:
    assert row(people, SETTLE, (verdict,)) == (True,)


def take(people: Connection, count: int = 10) -> list[tuple[str, str, int]]:
    with acting_as(people, "service_role", keep=True) as session:
        found = session.execute(TAKE.encode(), (count,)).fetchall()
    people.execute("reset role")
    return found


@pytest.mark.parametrize("verdict", ["clean", "infected", "refused", "failed"])
def test_the_server_hears_that_a_file_was_stored_and_what_was_found(
    people: Connection, project: str, verdict: str
) -> None:
    people.execute("delete from private.object_scans")
    add_file(people, f"{project}/a.ogg")
    settle(people, verdict)
    assert take(people) == [(f"{project}/a.ogg", "stored", 1), (f"{project}/a.ogg", verdict, 1)]


def test_a_scan_that_is_due_again_is_no_event_and_its_verdict_is_another(people: Connection, project: str) -> None:
    people.execute("delete from private.object_scans")
    add_file(people, f"{project}/a.ogg")
    for verdict in ("failed", "clean"):
        settle(people, verdict)
        people.execute("select ops.reopen_scans()")
    assert [event for _, event, _ in take(people)] == ["stored", "failed", "clean"]


def test_what_is_taken_is_others_after_ten_minutes_until_it_is_finished(people: Connection, project: str) -> None:
    add_file(people, f"{project}/a.ogg")
    assert take(people) == [(f"{project}/a.ogg", "stored", 1)]
    assert take(people) == []
    people.execute("update private.file_events set taken_at = now() - interval '11 minutes'")
    assert take(people) == [(f"{project}/a.ogg", "stored", 2)]
    (known,) = row(people, "select array_agg(id) from private.file_events")
    with acting_as(people, "service_role", keep=True) as session:
        assert row(session, "select public.finish_file_events(%s)", (known,)) == (1,)
    people.execute("reset role")
    assert row(people, "select count(*) from private.file_events") == (0,)


def test_an_upload_that_was_taken_back_is_no_event(people: Connection, project: str) -> None:
    with people.transaction(force_rollback=True):
        add_file(people, f"{project}/a.ogg")
    assert take(people) == []


def test_what_nobody_fetches_goes_after_a_week(people: Connection, project: str) -> None:
    for days in (8, 6):
        people.execute(
            "insert into private.file_events (id, bucket_id, object_path, version, event) select encode(int8send("
            "floor(extract(epoch from now() - make_interval(days => %s)) * 1000)::bigint << 16) || "
            "decode('7000800000000000', 'hex'), 'hex')::uuid, 'audio', %s, 'x', 'stored'",
            (days, f"{days} days"),
        )
    assert row(people, "select ops.forget_file_events()") == (1,)
    assert [path for path, _, _ in take(people)] == ["6 days"]


def test_what_is_stored_is_noted_once_a_day_as_it_was_last(people: Connection, project: str) -> None:
    noted = "select bucket_id, objects, bytes, day = (now() at time zone 'UTC')::date from analytics.storage_days"
    people.execute("set local storage.allow_delete_query = 'true'")
    people.execute("delete from storage.objects")
    add_file(people, f"{project}/a.ogg")
    people.execute("select ops.note_storage()")
    noted += " where bucket_id = 'audio'"
    ((bucket, objects, first, today),) = people.execute(noted.encode()).fetchall()
    assert (bucket, objects, today) == ("audio", 1, True)
    add_file(people, f"{project}/b.ogg")
    (buckets,) = row(people, "select count(*) from storage.buckets")
    assert row(people, "select ops.note_storage()") == (buckets,), "those that hold nothing too"
    assert people.execute(noted.encode()).fetchall() == [("audio", 2, 2 * first, True)]
    people.execute("select ops.note_kept('{}', '{}', '{}')")
    people.execute("delete from storage.objects")
    people.execute("select ops.note_storage()")
    assert people.execute(noted.encode()).fetchall() == [("audio", 0, 0, True)], "empty too"
    kept = "select bytes, kept_bytes from analytics.storage_days where bucket_id = 'audio'"
    assert row(people, kept) == (0, 2 * first), "what is kept of them is in the store still"
    people.execute("update private.storage_usage set kept_bytes = 0")
    people.execute("select ops.forget_empty_usage()")
    people.execute("update analytics.storage_days set day = day - 1")
    people.execute("delete from storage.buckets where id = 'audio'")
    people.execute("select ops.note_storage()")
    days = f"{kept} order by day"
    assert people.execute(days.encode()).fetchall() == [(0, 2 * first), (0, 0)], "emptied, and the bucket deleted"
    people.execute("update analytics.storage_days set day = day - 1")
    people.execute("select ops.note_storage()")
    assert len(people.execute(days.encode()).fetchall()) == 2, "once"

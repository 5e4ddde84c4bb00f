"""What the object store keeps of files that no row shows: who pays for it, how much of it, and what it refuses."""

import json
import threading
import time
from typing import Any

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, add_people, refused, row
from tests.sql.test_storage_usage import ONE, PICTURE, PROJECT, THEIRS, UPLOAD, add_projects

NOBODY = "00000000-0000-0000-0000-000000000000"
NOTE = "select ops.note_kept(%s, %s, %s)"
SUMS = "select bytes, kept_bytes from private.storage_usage where folder_id = %s and bucket_id = ''"
FOLDER = "select kept_bytes from private.storage_usage where folder_id = %s and bucket_id = 'audio'"
DELETE = "delete from storage.objects where name = %s"
UPSERT = (
    UPLOAD + " on conflict (bucket_id, name) do update set metadata = excluded.metadata, version = excluded.version"
)
ROOM = "select public.storage_room(%s, %s)"
TAKE = "select public.take_room(%s, %s, %s)"
HANDED = "update public.projects set owner_id = %s where id = %s"
FULL = f"storage of {ADA} is full of deleted files: {{}} bytes more don't fit in beside what is kept of them"


@pytest.fixture
def unnoted(people: Connection) -> Connection:
    """Two buckets, Ada's quota of 1000 bytes, and no cleaner."""
    people.execute("insert into storage.buckets (id, name) values ('audio', 'audio'), ('avatars', 'avatars')")
    add_projects(people)
    people.execute("insert into private.storage_quotas values (%s, 1000)", (ADA,))
    people.execute("set local storage.allow_delete_query = 'true'")
    return people


@pytest.fixture
def buckets(unnoted: Connection) -> Connection:
    """The same, where a cleaner notes what is kept."""
    note(unnoted)
    return unnoted


def note(connection: Connection, *kept: tuple[str, str, int]) -> None:
    columns = [list(column) for column in zip(*kept, strict=True)] or [[], [], []]
    as_cleaner(connection, NOTE, *columns)


def as_cleaner(connection: Connection, statement: str, *given: list[object]) -> None:
    with acting_as(connection, "cleaner", keep=True):
        connection.execute(statement.encode(), given or None)
    connection.execute("reset role")


def store(connection: Connection, size: int, name: str = ONE, bucket: str = "audio", how: str = UPSERT) -> None:
    connection.execute(how.encode(), (bucket, name, json.dumps({"size": size})))


def sums(connection: Connection, person: str = ADA) -> tuple[int, int]:
    found: tuple[int, int] = row(connection, SUMS, (person,))
    return found


def test_where_no_cleaner_notes_it_nothing_is_kept(unnoted: Connection) -> None:
    for _ in range(5):
        store(unnoted, 900)
        unnoted.execute(DELETE, (ONE,))
    store(unnoted, 900)
    store(unnoted, 900)
    unnoted.execute("delete from public.projects where id = %s", (PROJECT,))
    assert sums(unnoted) == (0, 0)


def test_what_a_row_leaves_behind_is_kept_in_its_folder(buckets: Connection) -> None:
    store(buckets, 100)
    assert sums(buckets) == (100, 0)
    store(buckets, 30)
    assert sums(buckets) == (30, 100), "replaced"
    move = "update storage.objects set name = %s, version = gen_random_uuid()"
    buckets.execute(move.encode(), (f"{THEIRS}/x.ogg",))
    assert (sums(buckets), sums(buckets, BOB)) == ((0, 130), (30, 0)), "moved: its old version stays where it was"
    buckets.execute("""update storage.objects set metadata = '{"size": 20}', last_accessed_at = now()""")
    assert sums(buckets, BOB) == (20, 0), "the same version is no other file"
    buckets.execute("delete from storage.objects")
    assert (sums(buckets, BOB), row(buckets, FOLDER, (THEIRS,))) == ((0, 20), (20,))
    folder = "insert into storage.objects (bucket_id, name, metadata) values ('audio', %s, '{\"size\": 7}')"
    buckets.execute(folder.encode(), (ONE,))
    buckets.execute(DELETE, (ONE,))
    assert sums(buckets) == (0, 130), "what has no version has no file"


def test_deleting_makes_room_at_once_and_as_much_as_the_quota_is_kept(buckets: Connection) -> None:
    for _ in range(2):
        store(buckets, 900)
        buckets.execute(DELETE, (ONE,))
    assert sums(buckets) == (0, 1800)
    store(buckets, 200)
    again = (UPSERT, "audio", ONE)
    for size in (200, 1):
        told = refused(buckets, psycopg.errors.InsufficientPrivilege, *again, json.dumps({"size": size}))
        assert FULL.format(size) in told, "to replace a file is to store one"
    png = (UPLOAD, "avatars", PICTURE, '{"size": 1}')
    assert FULL.format(1) in refused(buckets, psycopg.errors.InsufficientPrivilege, *png)
    assert "is full: 801" in refused(buckets, psycopg.errors.InsufficientPrivilege, *png[:3], '{"size": 801}')
    buckets.execute("""update storage.objects set metadata = '{"size": 150}'""")
    buckets.execute(DELETE, (ONE,))
    assert sums(buckets) == (0, 1950), "to delete is never refused"
    note(buckets)
    store(buckets, 1000)
    assert sums(buckets) == (1000, 0)


def test_what_the_cleaner_notes_replaces_all_that_was_noted(buckets: Connection) -> None:
    store(buckets, 10)
    buckets.execute(DELETE, (ONE,))
    kept = [(PROJECT, "audio", 4), (PROJECT, "audio", 1), (ADA, "avatars", 7), ("loose.txt", "audio", 3)]
    note(buckets, *kept, (BOB, "", 5), (BOB, "avatars", 0))
    assert (sums(buckets), row(buckets, FOLDER, (PROJECT,))) == ((0, 12), (5,))
    assert row(buckets, FOLDER, (NOBODY,)) == (3,)
    report = "select user_id::text, bucket_id, objects, bytes, kept_bytes from ops.storage_report()"
    with acting_as(buckets, "monitor") as session:
        found = session.execute(report.encode()).fetchall()
    assert found == [(ADA, "avatars", 0, 0, 7), (ADA, "audio", 0, 0, 5), (NOBODY, "audio", 0, 0, 3)]
    with acting_as(buckets, "authenticated", {"sub": ADA, "role": "authenticated"}) as session:
        mine = session.execute("select * from public.storage_usage()").fetchall()
    assert mine == [("audio", 0, 0, 5, 1000), ("avatars", 0, 0, 7, 1000)]
    as_cleaner(buckets, "select ops.forget_empty_usage()")
    assert sums(buckets) == (0, 12), "what is kept isn't empty"
    note(buckets)
    as_cleaner(buckets, "select ops.forget_empty_usage()")
    left = "select folder_id::text, bucket_id, bytes, kept_bytes from private.storage_usage"
    assert buckets.execute(left.encode()).fetchall() == [(NOBODY, "", 0, 0)], "the mark that a cleaner notes"


def test_what_is_kept_goes_with_its_project_and_is_handed_over_where_there_is_room_for_it(buckets: Connection) -> None:
    store(buckets, 600)
    note(buckets, (PROJECT, "audio", 700), (THEIRS, "audio", 750))
    buckets.execute("insert into private.storage_quotas values (%s, 1000)", (BOB,))
    told = refused(buckets, psycopg.errors.InsufficientPrivilege, HANDED, BOB, PROJECT)
    assert f"storage of {BOB} is full of deleted files: 1300 bytes more don't fit in" in told
    assert (sums(buckets), sums(buckets, BOB)) == ((600, 700), (0, 750))
    buckets.execute(DELETE, (ONE,))
    assert "is full of deleted files" in refused(buckets, psycopg.errors.InsufficientPrivilege, HANDED, BOB, PROJECT)
    note(buckets, (PROJECT, "audio", 700), (THEIRS, "audio", 1300))
    buckets.execute(HANDED.encode(), (BOB, PROJECT))
    assert (sums(buckets), sums(buckets, BOB)) == ((0, 0), (0, 2000)), "also where nothing else is in it"
    buckets.execute(HANDED.encode(), (ADA, PROJECT))
    assert (sums(buckets), sums(buckets, BOB)) == ((0, 700), (0, 1300))


def test_the_files_of_a_project_that_ended_are_kept_for_who_has_owned_it(buckets: Connection) -> None:
    store(buckets, 900)
    buckets.execute("delete from public.projects where id = %s", (PROJECT,))
    assert sums(buckets) == (0, 900)
    buckets.execute("delete from storage.objects")
    assert sums(buckets) == (0, 900), "nobody's by now"
    note(buckets)
    assert sums(buckets) == (0, 0)


def test_what_is_kept_follows_the_access_of_its_bucket(buckets: Connection) -> None:
    note(buckets, (ADA, "avatars", 7), (PROJECT, "audio", 5))
    access = """update private.settings set value = '{"audio": "projects"}' where name = 'bucketAccess'"""
    buckets.execute(access.encode())
    assert sums(buckets) == (0, 5)
    store(buckets, 1)
    buckets.execute(DELETE, (ONE,))
    assert sums(buckets) == (0, 6), "the mark is still there"


def asked(connection: Connection, bucket: str = "audio", name: str = ONE, take: int | None = None) -> int | None:
    """What the app's server is answered; a question, or what it takes."""
    given = (bucket, name) if take is None else (bucket, name, take)
    with acting_as(connection, "service_role", keep=True):
        found: int | None = row(connection, ROOM if take is None else TAKE, given)[0]
    connection.execute("reset role")
    return found


def test_the_apps_server_asks_how_much_room_there_is_before_it_signs(buckets: Connection) -> None:
    assert (asked(buckets), asked(buckets, "avatars", PICTURE)) == (1000, 1000)
    assert asked(buckets, "audio", f"{THEIRS}/x.ogg") == 5 * 2**30, "the owner's"
    store(buckets, 900)
    assert (asked(buckets, "audio", f"{PROJECT}/two.ogg"), asked(buckets)) == (100, 550), "what it replaces makes room"
    note(buckets, (PROJECT, "audio", 400))
    assert asked(buckets) == 350, "and is kept then; what is sent lies there twice"
    store(buckets, 700)
    assert asked(buckets) == asked(buckets, "audio", f"{PROJECT}/two.ogg") == 0
    buckets.execute("update private.storage_quotas set bytes = 10")
    assert asked(buckets) == 0, "never less"
    for role in ("authenticated", "anon", "cleaner", "storage_service"):
        with acting_as(buckets, role) as session:
            refused(session, psycopg.errors.InsufficientPrivilege, ROOM, "audio", ONE)
            refused(session, psycopg.errors.InsufficientPrivilege, TAKE, "audio", ONE, 1)


def test_where_a_row_would_be_refused_there_is_no_room(buckets: Connection) -> None:
    buckets.execute("insert into storage.buckets (id, name) values ('other', 'other')")
    assert asked(buckets, "other", f"{ADA}/x") is None, "the servers'"
    assert asked(buckets, "avatars", "logo.png") is None, "in nobody's folder"
    for bucket, name in (
        *(("nowhere", ONE), ("audio", f"{NOBODY}/x"), ("audio", "x"), ("audio", f"{ADA}/x")),
        *(("avatars", f"{NOBODY}/x"), ("avatars", f"{PROJECT}/x")),
    ):
        assert (asked(buckets, bucket, name), asked(buckets, bucket, name, 1)) == (0, 0), (bucket, name)
    buckets.execute("insert into private.departures (user_id, collaborators) values (%s, '{}')", (ADA,))
    assert asked(buckets) == asked(buckets, "avatars", PICTURE) == asked(buckets, "avatars", PICTURE, 1) == 0


def test_what_is_to_be_sent_is_taken_before_and_no_more_than_there_is(buckets: Connection) -> None:
    assert asked(buckets, take=1001) == 0, "the file doesn't fit in"
    assert buckets.execute(SUMS.encode(), (ADA,)).fetchall() == [], "and nothing is taken"
    assert asked(buckets, take=600) == 600
    assert (sums(buckets), row(buckets, FOLDER, (PROJECT,))) == ((0, 600), (600,))
    store(buckets, 600)
    assert (asked(buckets, "avatars", PICTURE, 401), asked(buckets, "avatars", PICTURE, 400)) == (0, 400)
    buckets.execute(UPLOAD.encode(), ("avatars", PICTURE, '{"size": 400}'))
    assert (sums(buckets), asked(buckets)) == ((1000, 1000), 0), "all of it may be stored that was taken"
    assert asked(buckets, take=1) == 0
    note(buckets)
    assert sums(buckets) == (1000, 0), "until the cleaner notes what was sent"
    for size in (0, -1, None):
        told = refused(buckets, psycopg.errors.InvalidParameterValue, TAKE, "audio", ONE, size)
        assert "bytes can't be taken" in told


def test_forms_that_nobody_finishes_come_to_an_end(buckets: Connection) -> None:
    taken = 0
    while got := asked(buckets, "avatars", PICTURE, 100):
        taken += got
        assert taken <= 2000
    assert taken == 1900, "the last one could not be stored beside it"


def test_where_no_cleaner_notes_it_nothing_is_taken(unnoted: Connection) -> None:
    assert [asked(unnoted, take=900) for _ in range(3)] == [900, 900, 900]
    assert asked(unnoted, take=1001) == 0
    assert unnoted.execute(SUMS.encode(), (ADA,)).fetchall() == []


def test_two_at_once_do_not_take_the_same_room(provisioned_database: Any) -> None:
    committed(provisioned_database)
    with psycopg.connect(provisioned_database.url) as first, psycopg.connect(provisioned_database.url) as second:
        assert row(first, TAKE, ("audio", ONE, 600)) == (600,)
        answers = list[tuple[Any, ...]]()
        waiting = threading.Thread(target=lambda: answers.append(row(second, TAKE, ("avatars", PICTURE, 800))))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive(), "the one waits for the other"
        first.commit()
        waiting.join()
    assert answers == [(0,)]


def committed(database: Any) -> None:
    """Ada's quota of 1000 bytes, her project with a file and what is kept of it, for several connections."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        add_people(connection)
        add_projects(connection)
        connection.execute("insert into storage.buckets (id, name) values ('audio', 'audio'), ('avatars', 'avatars')")
        connection.execute("insert into private.storage_quotas values (%s, 1000)", (ADA,))
        connection.execute(NOTE.encode(), ([], [], []))


SETTING = "update private.settings set value = value || '{\"x\": \"people\"}' where name = 'bucketAccess'"
EMPTY = "insert into private.storage_usage values (%s, '', 0, 0), (%s, 'audio', 0, 0)"
STORED = "insert into private.storage_usage values (%s, '', 1, 7, 5), (%s, 'audio', 1, 7, 5)"
HELD = "select from private.storage_usage where folder_id = %s and bucket_id = 'audio' for update"
END = "delete from public.projects where id = %s"


@pytest.mark.parametrize(
    "statement", ["select ops.note_kept('{}', '{}', '{}')", SETTING, "select ops.forget_empty_usage()"]
)
@pytest.mark.parametrize(
    ("change", "given", "found"),
    [
        (END, (PROJECT,), STORED),
        (HANDED, (BOB, PROJECT), STORED),
        (UPLOAD, ("audio", ONE, '{"size": 7}'), EMPTY),
        (TAKE, ("audio", ONE, 7), EMPTY),
    ],
    ids=["end", "hand over", "upload", "take"],
)
def test_who_holds_all_of_it_and_who_changes_a_folder_follow_each_other(
    provisioned_database: Any, statement: str, change: str, given: tuple[Any, ...], found: str
) -> None:
    """Both come while somebody else holds the folder: when it is free, neither holds what the other one waits for."""
    committed(provisioned_database)
    url = provisioned_database.url
    failed = list[str]()

    def run(text: str, *values: Any) -> None:
        try:
            with psycopg.connect(url, autocommit=True) as one:
                one.execute(text.encode(), values or None)
        except psycopg.Error as error:
            failed.append(str(error))

    with psycopg.connect(url) as holder:
        holder.execute(found.encode(), (ADA, PROJECT))
        holder.commit()
        holder.execute(HELD.encode(), (PROJECT,))
        threads = [threading.Thread(target=run, args=(change, *given)), threading.Thread(target=run, args=(statement,))]
        for each in threads:
            each.start()
            time.sleep(0.3)
        holder.rollback()
        for each in threads:
            each.join()
    assert failed == []


def test_projects_that_end_together_and_a_file_of_one_of_them_that_is_deleted_follow_each_other(
    provisioned_database: Any,
) -> None:
    """As somebody leaves who has several: neither holds their owner's row while it waits for a folder."""
    committed(provisioned_database)
    other, failed = "00000000-0000-7000-8000-0000000000a2", list[str]()
    url = provisioned_database.url

    def end() -> None:
        try:
            with psycopg.connect(url, autocommit=True) as one:
                one.execute("delete from public.projects where owner_id = %s", (ADA,))
        except psycopg.Error as error:
            failed.append(str(error))

    with psycopg.connect(url) as holder:
        holder.execute("insert into public.projects (id, owner_id, title) values (%s, %s, 'two')", (other, ADA))
        for name in (ONE, f"{other}/two.ogg"):
            holder.execute(UPLOAD.encode(), ("audio", name, '{"size": 7}'))
        holder.commit()
        holder.execute(HELD.encode(), (other,))
        waiting = threading.Thread(target=end)
        waiting.start()
        time.sleep(0.5)
        holder.execute("set local storage.allow_delete_query = 'true'")
        holder.execute("delete from storage.objects where name = %s", (f"{other}/two.ogg",))
        holder.commit()
        waiting.join()
        found = row(
            holder,
            "select objects, bytes, kept_bytes from private.storage_usage where bucket_id = '' and folder_id = %s",
            (ADA,),
        )
    assert (failed, found) == ([], (0, 0, 14)), "both files are kept until the cleaner has removed them"

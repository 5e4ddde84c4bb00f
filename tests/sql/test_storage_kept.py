"""What the object store keeps of files that no row shows: who pays for it, how much of it, and what it refuses."""

import json

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, refused, row
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
    note(buckets, *kept, (BOB, "", 5), (BOB, "avatars", -5))
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


def test_what_is_kept_goes_with_its_project_and_refuses_no_hand_over(buckets: Connection) -> None:
    store(buckets, 600)
    note(buckets, (PROJECT, "audio", 700), (THEIRS, "audio", 1500))
    buckets.execute("insert into private.storage_quotas values (%s, 1000)", (BOB,))
    buckets.execute(HANDED.encode(), (BOB, PROJECT))
    assert (sums(buckets), sums(buckets, BOB)) == ((0, 0), (600, 2200))
    buckets.execute(DELETE, (ONE,))
    buckets.execute(HANDED.encode(), (ADA, PROJECT))
    assert (sums(buckets), sums(buckets, BOB)) == ((0, 1300), (0, 1500)), "also where nothing else is in it"


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


def test_the_apps_server_asks_how_much_room_there_is_before_it_signs(buckets: Connection) -> None:
    def room(bucket: str = "audio", name: str = ONE) -> int | None:
        with acting_as(buckets, "service_role") as session:
            found: int | None = row(session, ROOM, (bucket, name))[0]
            return found

    assert (room(), room("avatars", PICTURE), room("exports", "x"), room("audio", f"{NOBODY}/x")) == (
        *(1000, 1000),
        *(None, None),
    )
    assert room("audio", f"{THEIRS}/x.ogg") == 5 * 2**30, "the owner's"
    store(buckets, 900)
    assert (room("audio", f"{PROJECT}/two.ogg"), room()) == (100, 1000), "what it replaces makes room"
    note(buckets, (PROJECT, "audio", 400))
    assert room() == 700, "and is kept then"
    store(buckets, 700)
    assert room() == room("audio", f"{PROJECT}/two.ogg") == 0
    buckets.execute("update private.storage_quotas set bytes = 10")
    assert room() == 0, "never less"
    for role in ("authenticated", "anon", "cleaner", "storage_service"):
        with acting_as(buckets, role) as session:
            refused(session, psycopg.errors.InsufficientPrivilege, ROOM, "audio", ONE)

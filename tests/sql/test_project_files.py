"""A project owns its files: who finds, stores and takes away what in its folder, and what a recording says of one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, add_file, add_recording, refused, row

EVE = "00000000-0000-7000-8000-0000000000ee"
PROJECT, OTHER, MISSING = (f"00000000-0000-7000-8000-0000000000{end}" for end in ("a1", "b1", "ff"))
TAKE = f"{PROJECT}/take.ogg"
STORE = "insert into storage.objects (bucket_id, name) values ('audio', %s)"
NAMES = "select name from storage.objects where bucket_id = 'audio' order by name"
RECORD = "insert into public.audio_recordings (project_id, object_path) values (%s, %s)"
RECORDING = "select mime_type, bytes, scan_status from public.audio_recordings"


@pytest.fixture
def shared(people: Connection) -> Connection:
    """Ada's project, in which Bob may edit and with a file that he has recorded into it, and Eve's with a file."""
    people.execute("insert into storage.buckets (id, name, allowed_mime_types) values ('audio', 'audio', '{audio/*}')")
    people.execute("insert into next_auth.users (id, name) values (%s, 'Eve')", (EVE,))
    people.execute(
        "insert into public.projects (id, owner_id, title) values (%s, %s, 'one'), (%s, %s, 'other')",
        (PROJECT, ADA, OTHER, EVE),
    )
    member(people, "editor")
    add_recording(people, PROJECT, "take.ogg", person=BOB)
    add_file(people, f"{OTHER}/take.ogg")
    verdict(people, "clean")
    return people


def member(connection: Connection, role: str | None) -> None:
    """Make Bob this in Ada's project, or remove him."""
    connection.execute("delete from public.collaborators")
    if role:
        connection.execute(
            "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, %s, now())",
            (PROJECT, BOB, role),
        )


def verdict(connection: Connection, status: str) -> None:
    """What the scanner says of every file."""
    connection.execute("update private.object_scans set status = %s, scanned_at = now()", (status,))
    connection.execute("update public.audio_recordings set object_path = object_path")


@contextmanager
def asking(connection: Connection, person: str = BOB) -> Iterator[Connection]:
    with acting_as(connection, "authenticated", {"sub": person, "role": "authenticated"}) as session:
        session.execute("set local storage.allow_delete_query = 'true'")
        yield session


@pytest.mark.parametrize("role", ["admin", "editor", "viewer", None])
def test_the_role_in_the_project_says_who_may_what_from_the_same_moment(shared, role):
    member(shared, role)
    edits = role in ("admin", "editor")
    with asking(shared) as session:
        assert session.execute(NAMES).fetchall() == ([(TAKE,)] if role else [])
        assert session.execute("update storage.objects set user_metadata = '{}'").rowcount == int(edits)
        assert session.execute("delete from storage.objects").rowcount == int(edits)
    with asking(shared) as session:
        if edits:
            session.execute(STORE, (f"{PROJECT}/new.ogg",))
        else:
            refused(session, psycopg.errors.InsufficientPrivilege, STORE, f"{PROJECT}/new.ogg")


@pytest.mark.parametrize(
    "name",
    [
        f"{OTHER}/new.ogg",
        f"{MISSING}/new.ogg",
        f"{BOB}/new.ogg",
        f"{PROJECT.upper()}/new.ogg",
        f"{PROJECT}0/new.ogg",
        f" {PROJECT}/new.ogg",
        f"x/{PROJECT}/new.ogg",
        f"{PROJECT.replace('-', '')}/new.ogg",
        PROJECT,
        "new.ogg",
    ],
)
def test_a_person_stores_in_no_other_folder_however_it_is_written(shared, name):
    with asking(shared) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, STORE, name)
        move = "update storage.objects set name = %s where name = %s"
        refused(session, psycopg.errors.InsufficientPrivilege, move, name, TAKE)


@pytest.mark.parametrize("name", ["new.ogg", "a/b/c.ogg", "a b.ogg", "..a/b...ogg"])
def test_a_person_stores_in_the_projects_folder_and_below(shared, name):
    with asking(shared) as session:
        session.execute(STORE, (f"{PROJECT}/{name}",))


@pytest.mark.parametrize("folder", [MISSING, BOB, PROJECT.upper(), "x"])
def test_a_server_too_stores_in_projects_that_there_are(shared, folder):
    with acting_as(shared, "service_role") as session:
        message = refused(session, psycopg.errors.ForeignKeyViolation, STORE, f"{folder}/new.ogg")
        assert message.startswith(f"object audio/{folder}/new.ogg: is in no project")
        session.execute(STORE, (f"{PROJECT}/new.ogg",))


@pytest.mark.parametrize("owner", [MISSING, EVE, OTHER, "somebody", ADA.upper()])
def test_a_server_stores_in_the_name_of_nobody_who_may_not(shared, owner):
    store = "insert into storage.objects (bucket_id, name, owner_id) values ('audio', %s, %s)"
    with acting_as(shared, "service_role") as session:
        refused(session, psycopg.errors.InsufficientPrivilege, store, f"{PROJECT}/new.ogg", owner)
        for number, person in enumerate((ADA, BOB, None)):
            session.execute(store.encode(), (f"{PROJECT}/{number}.ogg", person))


def test_what_is_not_scanned_is_found_by_who_uploaded_it_and_what_is_harmful_by_nobody(shared):
    shared.execute("update storage.objects set version = 'w', owner_id = %s where name = %s", (BOB, TAKE))
    for person, status, found in ((BOB, None, 1), (ADA, None, 0), (BOB, "infected", 0), (ADA, "clean", 1)):
        if status:
            verdict(shared, status)
        with asking(shared, person) as session:
            assert len(session.execute(NAMES).fetchall()) == found, (person, status)


def test_a_recording_is_what_its_file_is_whoever_says_otherwise(shared):
    path = f"{PROJECT}/new.ogg"
    add_file(shared, path)
    with asking(shared) as session:
        for column, value in (("bytes", 7), ("mime_type", "audio/mpeg")):
            insert = f"insert into public.audio_recordings (project_id, object_path, {column}) values (%s, %s, %s)"
            refused(session, psycopg.errors.InsufficientPrivilege, insert, PROJECT, path, value)
        session.execute(RECORD, (PROJECT, path))
        assert row(session, f"{RECORDING} where object_path = %s", (path,)) == ("audio/ogg", 3, "pending")
        message = refused(session, psycopg.errors.ForeignKeyViolation, RECORD, PROJECT, f"{PROJECT}/none.ogg")
        assert message.startswith(f"recording audio/{PROJECT}/none.ogg: there is no such file")
    with acting_as(shared, "service_role") as session:
        session.execute("update public.audio_recordings set bytes = 7, mime_type = 'audio/mpeg'")
        assert row(session, RECORDING) == ("audio/ogg", 3, "clean")


def test_a_replaced_file_makes_its_recording_what_it_is_now(shared):
    replace = "update storage.objects set version = %s, metadata = %s where name = %s"
    with acting_as(shared, "storage_service") as session:
        session.execute("set local storage.operation = 'storage.object.upload_update'")
        metadata = json.dumps({"size": 4, "mimetype": "Audio/WebM;codecs=opus"})
        session.execute(replace, ("w", metadata, TAKE))
        for wrong in ({"size": 0, "mimetype": "audio/ogg"}, {"size": 4, "mimetype": "audio/x y"}):
            message = refused(session, psycopg.errors.CheckViolation, replace, "x", json.dumps(wrong), TAKE)
            assert "audio" in message
        session.execute("reset role")
        assert row(session, RECORDING) == ("audio/webm", 4, "pending")
    with asking(shared) as session:
        # As the Storage API asks, which knows no more yet.
        session.execute(replace.replace("metadata", "owner_id = auth.uid(), metadata").encode(), ("1", None, TAKE))
        assert row(session, RECORDING) == ("audio/ogg", 3, "pending")


def test_a_recording_stays_in_its_project_unless_its_file_moves_along(shared):
    with acting_as(shared, "service_role") as session:
        move = "update public.audio_recordings set project_id = %s"
        refused(session, psycopg.errors.CheckViolation, move, OTHER)
        both = f"{move}, object_path = %s"
        refused(session, psycopg.errors.ForeignKeyViolation, both, OTHER, f"{OTHER}/moved.ogg")
        moved = "update storage.objects set name = %s where name = %s"
        session.execute(moved, (f"{OTHER}/moved.ogg", TAKE))
        session.execute(both.encode(), (OTHER, f"{OTHER}/moved.ogg"))


def test_a_projects_end_queues_each_of_its_files_once_and_a_recordings_its_own(shared):
    add_file(shared, f"{PROJECT}/unrecorded.ogg")
    queue = "select object_path from private.deletion_queue order by 1"
    with shared.transaction(force_rollback=True):
        shared.execute("delete from public.audio_recordings")
        assert shared.execute(queue).fetchall() == [(TAKE,)]
    shared.execute("delete from public.projects where id = %s", (PROJECT,))
    assert shared.execute(queue).fetchall() == [(TAKE,), (f"{PROJECT}/unrecorded.ogg",)]


def test_a_copy_of_a_project_takes_no_file_along_and_a_new_owner_all(shared):
    with asking(shared) as session:
        (copy,) = row(session, "select public.duplicate_project(%s)", (PROJECT,))
        assert session.execute(NAMES).fetchall() == [(TAKE,)]
        assert row(session, "select count(*) from public.audio_recordings where project_id = %s", (copy,)) == (0,)
    shared.execute("update public.projects set owner_id = %s where id = %s", (BOB, PROJECT))
    member(shared, None)
    with asking(shared) as session:
        assert session.execute("delete from storage.objects").rowcount == 1
    with asking(shared, ADA) as session:
        assert session.execute(NAMES).fetchall() == []


@pytest.mark.parametrize("projects", [1, 300], ids=["few projects", "many projects"])
def test_a_list_finds_the_clean_files_of_ones_projects_and_reads_no_other_folders(shared, projects):
    shared.execute(
        "insert into public.projects (owner_id, title) select %s, 'more' from generate_series(1, %s)", (BOB, projects)
    )
    shared.execute("set session_replication_role = replica")
    shared.execute(
        "insert into storage.objects (bucket_id, name, version) "
        "select 'audio', gen_random_uuid() || '/' || n || '.ogg', n::text from generate_series(1, 20000) as n"
    )
    shared.execute("set session_replication_role = origin")
    shared.execute("analyze storage.objects")
    with acting_as(shared, "app_owner", {"sub": BOB}) as session:
        assert row(session, "select private.few_files() is null") == (projects > 200,)
    with asking(shared) as session:
        assert session.execute(NAMES).fetchall() == [(TAKE,)]
        folder = f" and name collate \"C\" >= '{PROJECT}/' and name collate \"C\" < '{PROJECT}0'"
        for where in ["", folder][projects > 200 :]:
            explain = "explain (analyze, format json) select name from storage.objects where bucket_id = 'audio'"
            plan = row(session, explain + where)[0][0]["Plan"]
            text = json.dumps(plan)
            assert "Seq Scan" not in text, text
            assert plan["Actual Rows"] == 1, text
            assert plan.get("Rows Removed by Filter", 0) == 0, text

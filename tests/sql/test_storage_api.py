"""What Supabase's Storage API sends, replayed: its settings and its statements, as the role that it takes for each.

Its requests from end to end, also with the real one: tests/objects/test_storage_api_requests.py.

It asks as the person where a person decides, and "as super user" where it serves everybody or writes down what it has
done. That one is `storage_service` where it was started with DB_SERVICE_ROLE, else `service_role`. Read in its source:
src/internal/database/postgres/scope.ts, src/storage/database/pg.ts, uploader.ts, object.ts, src/http/routes/object.
"""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.objects.storageapi import SUPER, scope
from tests.sql import provision
from tests.sql.provision import ADA, BOB, Connection, acting_as, refused, row

# What it says that it is doing where it hands out bytes, or what it knows of them, to the caller.
SERVING = (
    "storage.object.get_public",
    "storage.object.info_public",
    "storage.render.image_public",
    "storage.object.get_signed",
    "storage.render.image_sign",
    # The authenticated routes ask as the person, except for public buckets.
    "storage.object.get_authenticated",
    "storage.object.info_authenticated",
    "object.get_authenticated_info",
    "object.head_authenticated_info",
    "storage.s3.object.get",
    # Jobs say nothing, and a later version may say what this one doesn't.
    "",
    "storage.object.get_by_a_new_way",
)
PROJECT = "00000000-0000-7000-8000-0000000000a1"
ME, VOICE = ("avatars", f"{ADA}/me.png"), ("audio", f"{PROJECT}/voice.ogg")
TYPES = {ME: "image/png", VOICE: "audio/ogg"}

FIND_BUCKET = "select id, public from storage.buckets where id = %s limit 1"
FIND = "select id, version from storage.objects where name = %s and bucket_id = %s limit 1"
INSERT = (
    "insert into storage.objects (name, owner, owner_id, bucket_id, metadata, version) values (%s, %s, %s, %s, %s, %s)"
)
UPSERT = (
    f"{INSERT} on conflict (name, bucket_id) do update set metadata = excluded.metadata, version = excluded.version, "
    "owner = excluded.owner, owner_id = excluded.owner_id returning *"
)
MOVE = (
    "update storage.objects set name = %s, bucket_id = %s, owner = %s, owner_id = %s, metadata = %s, version = %s "
    "where bucket_id = %s and name = %s returning *"
)
DELETE = "delete from storage.objects where name = %s and bucket_id = %s returning *"
LIST = 'select name from storage.objects where bucket_id = %s order by name collate "C" limit 100'


@contextmanager
def asking(connection: Connection, operation: str, role: str = SUPER, subject: str = "") -> Iterator[Connection]:
    """A transaction of its own, kept."""
    with connection.transaction():
        scope(connection, role, operation, subject)
        yield connection
        connection.execute("reset role")


def served(connection: Connection, place: tuple[str, str], operation: str, role: str = SUPER) -> str | None:
    """The version that it would send, None for 404."""
    bucket, name = place
    with asking(connection, operation, role) as session:
        assert session.execute(FIND_BUCKET, (bucket,)).fetchone()
        found = session.execute(FIND, (name, bucket)).fetchone()
    return found and found[1]


def upload(connection: Connection, place: tuple[str, str], person: str = ADA, operation: str = "upload") -> str:
    """First as the person, taken back; then, when the bytes are there, as super user. The version."""
    (bucket, name), operation = place, f"storage.object.{operation}"
    metadata, version = json.dumps({"mimetype": TYPES.get(place, "audio/ogg"), "size": 3}), str(uuid.uuid4())
    with acting_as(connection, "supabase_storage_admin") as session:
        scope(session, "authenticated", operation, person)
        probe = UPSERT if operation.endswith("update") else INSERT
        session.execute(probe.encode(), (name, person, person, bucket, None, "1"))
    with asking(connection, operation) as session:
        session.execute(f"{FIND} for update".encode(), (name, bucket))
        assert session.execute(UPSERT.encode(), (name, person, person, bucket, metadata, version)).fetchone()
    return version


def settle(connection: Connection, verdict: str) -> None:
    connection.execute("update private.object_scans set status = %s, scanned_at = now()", (verdict,))


@pytest.fixture
def api(people: Connection) -> Connection:
    """A public and a private bucket, with nothing in them, and a project of Ada's."""
    people.execute("""
        insert into storage.buckets (id, name, public, allowed_mime_types) values
            ('avatars', 'avatars', true, '{image/*}'), ('audio', 'audio', false, '{audio/ogg}')
    """)
    people.execute("insert into public.projects (id, owner_id, title) values (%s, %s, 'one')", (PROJECT, ADA))
    return people


@pytest.mark.parametrize("operation", SERVING)
def test_a_version_is_served_once_it_is_scanned_clean_and_no_sooner(api, operation):
    for place in (ME, VOICE):
        first = upload(api, place)
        assert served(api, place, operation) is None, "not scanned"
        settle(api, "infected")
        assert served(api, place, operation) is None, "harmful"
        settle(api, "clean")
        assert served(api, place, operation) == first
        second = upload(api, place, operation="upload_update")
        assert served(api, place, operation) is None, "overwritten, so to be scanned again"
        settle(api, "clean")
        assert served(api, place, operation) == second != first


def test_without_the_role_it_serves_what_was_not_scanned(api):
    """Started without DB_SERVICE_ROLE, and on hosted Supabase: docs/storage-cleanup.md says so."""
    version = upload(api, ME)
    assert served(api, ME, "storage.object.get_public", "service_role") == version


@pytest.mark.parametrize("verdict", ["pending", "clean", "infected"])
def test_the_person_reads_what_is_theirs_in_a_private_bucket_also_before_the_scan(api, verdict):
    version = upload(api, VOICE)
    if verdict != "pending":
        settle(api, verdict)
    for operation in ("storage.object.get_authenticated", "storage.object.sign"):
        with asking(api, operation, "authenticated", ADA) as session:
            found = session.execute(FIND, (VOICE[1], VOICE[0])).fetchone()
        assert (found and found[1]) == (None if verdict == "infected" else version), operation
        with asking(api, operation, "authenticated", BOB) as session:
            assert session.execute(FIND, (VOICE[1], VOICE[0])).fetchone() is None


@pytest.mark.parametrize("place", [ME, VOICE])
def test_an_upload_into_anothers_folder_ends_before_the_bytes_move(api, place):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        upload(api, place, BOB)
    assert row(api, "select count(*) from storage.objects") == (0,)


def join(connection: Connection, role: str) -> None:
    """Make Bob this in Ada's project."""
    connection.execute("delete from public.collaborators")
    connection.execute(
        "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, %s, now())",
        (PROJECT, BOB, role),
    )


@pytest.mark.parametrize("projects", [1, 300], ids=["few projects", "many projects"])
@pytest.mark.parametrize("verdict", ["pending", "clean", "infected"])
def test_an_editor_replaces_moves_and_deletes_what_another_has_uploaded_and_a_viewer_nothing(api, verdict, projects):
    api.execute(
        "insert into public.projects (owner_id, title) select %s, 'more' from generate_series(1, %s)", (BOB, projects)
    )
    bucket, name = VOICE
    move = (f"{PROJECT}/moved.ogg", bucket, BOB, BOB, "{}", "another", bucket, name)
    for role in ("viewer", "editor"):
        join(api, role)
        edits = role == "editor"
        upload(api, VOICE, operation="upload_update")
        if verdict != "pending":
            settle(api, verdict)
        with acting_as(api, "supabase_storage_admin") as session:
            scope(session, "authenticated", "storage.object.move", BOB)
            found = session.execute(MOVE.encode(), move).fetchone()
            assert bool(found) == (edits and verdict == "clean"), "else its bytes would be heard under another name"
        with acting_as(api, "supabase_storage_admin") as session:
            scope(session, "authenticated", "storage.object.delete", BOB)
            assert bool(session.execute(DELETE, (name, bucket)).fetchone()) == edits
        if edits:
            upload(api, VOICE, BOB, "upload_update")
            assert row(api, "select owner_id from storage.objects") == (BOB,)
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                upload(api, VOICE, BOB, "upload_update")


@pytest.mark.parametrize("after", ["removed", "made a viewer"])
def test_an_upload_that_was_signed_or_begun_before_its_person_may_no_longer_is_refused(api, after):
    join(api, "editor")
    upload(api, VOICE, BOB)
    if after == "removed":
        api.execute("delete from public.collaborators")
    else:
        join(api, "viewer")
    # A signed upload asks nobody: its token is good for hours, and names who has signed it.
    for name in (VOICE[1], f"{PROJECT}/another.ogg"):
        with asking(api, "storage.object.upload_signed") as session:
            values = (name, BOB, BOB, "audio", '{"size": 3}', str(uuid.uuid4()))
            assert "may not edit" in refused(session, psycopg.errors.InsufficientPrivilege, UPSERT, *values)
    for operation in ("get_authenticated", "sign", "list", "move", "copy", "delete", "upload"):
        with asking(api, f"storage.object.{operation}", "authenticated", BOB) as session:
            found = session.execute(FIND, (VOICE[1], VOICE[0])).fetchone()
            assert bool(found) == (after != "removed"), operation
            assert session.execute("update storage.objects set version = '2'").rowcount == 0, operation
            assert session.execute("delete from storage.objects").rowcount == 0, operation


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("""update storage.objects set metadata = '{"size": 0}'""", ()),
        ("update storage.objects set version = 'x', owner_id = null", ()),
        ("insert into storage.objects (bucket_id, name) values (%s, %s)", ("avatars", f"{ADA}/b.png")),
        ("insert into storage.objects (bucket_id, name) values (%s, %s)", ("audio", f"{PROJECT}/b.ogg")),
    ],
)
def test_what_a_person_writes_is_tried_and_never_kept(api, statement, values):
    """The Storage API takes its own trial back. SQL that keeps it would say of a file what isn't so."""
    upload(api, VOICE)
    upload(api, ME)
    with acting_as(api, "supabase_storage_admin") as session:
        scope(session, "authenticated", "", ADA)
        assert session.execute(statement.encode(), values).rowcount > 0, "tried"
    with acting_as(api, "supabase_storage_admin") as session:
        scope(session, "authenticated", "", ADA)
        session.execute(statement.encode(), values)
        # What the end of a transaction does, be it as another role.
        session.execute("reset role")
        refused(session, psycopg.errors.InsufficientPrivilege, "set constraints all immediate")


def test_no_commit_keeps_what_a_person_has_written(provisioned_database):
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        provision.add_people(connection)
        provision.add_file(connection, f"{ADA}/me.png", "avatars")
        for statement in (
            """update storage.objects set metadata = '{"size": 0}'""",
            f"insert into storage.objects (bucket_id, name) values ('avatars', '{ADA}/b.png')",
        ):
            connection.execute("begin")
            scope(connection, "authenticated", "", ADA)
            assert connection.execute(statement.encode()).rowcount == 1
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="people may try"):
                connection.execute("commit")
        assert row(connection, "select name, metadata ->> 'size' from storage.objects") == (f"{ADA}/me.png", "3")


@pytest.mark.parametrize("operation", ["upload", "upload_update", "upload_signed"])
@pytest.mark.parametrize("verdict", ["pending", "clean", "infected"])
def test_what_is_there_is_overwritten_whatever_the_scan_said(api, operation, verdict):
    upload(api, VOICE)
    if verdict != "pending":
        settle(api, verdict)
    bucket, name = VOICE
    with asking(api, f"storage.object.{operation}") as session:
        assert session.execute(f"{FIND} for update".encode(), (name, bucket)).fetchone()
        values = (name, ADA, ADA, bucket, '{"size": 3}', "another")
        assert session.execute(UPSERT.encode(), values).fetchone()
    assert row(api, "select version from storage.objects") == ("another",)
    assert row(api, "select status from private.object_scans where version = 'another'") == ("pending",)


@pytest.mark.parametrize("verdict", ["pending", "clean"])
def test_a_move_is_asked_as_the_person_done_as_super_user_and_scanned_again(api, verdict):
    upload(api, VOICE)
    settle(api, "clean")
    if verdict == "pending":
        api.execute("update private.object_scans set status = 'pending', scanned_at = null")
    bucket, name = VOICE
    moved = (bucket, f"{PROJECT}/moved.ogg")
    values = (moved[1], bucket, ADA, ADA, '{"mimetype": "audio/ogg", "size": 3}', "another", bucket, name)
    with acting_as(api, "supabase_storage_admin") as session:
        scope(session, "authenticated", "storage.object.move", ADA)
        assert session.execute(FIND, (name, bucket)).fetchone()
        assert session.execute(MOVE.encode(), values).fetchone()
        # And as somebody else, who finds nothing to move.
        scope(session, "authenticated", "storage.object.move", BOB)
        assert session.execute(MOVE.encode(), values).fetchone() is None
    with asking(api, "storage.object.move") as session:
        assert session.execute(f"{FIND} for update".encode(), (name, bucket)).fetchone()
        assert session.execute(MOVE.encode(), values).fetchone()
    assert served(api, moved, "storage.object.get_signed") is None
    settle(api, "clean")
    assert served(api, moved, "storage.object.get_signed") == "another"


def test_a_copy_is_read_as_the_person_and_scanned_by_itself(api):
    upload(api, VOICE)
    settle(api, "clean")
    copy = ("audio", f"{PROJECT}/copy.ogg")
    with asking(api, "storage.object.copy", "authenticated", ADA) as session:
        assert session.execute(FIND, (VOICE[1], VOICE[0])).fetchone()
    upload(api, copy, operation="copy")
    assert served(api, copy, "storage.object.get_signed") is None
    assert served(api, VOICE, "storage.object.get_signed")


@pytest.mark.parametrize("verdict", ["pending", "clean", "infected"])
@pytest.mark.parametrize("operation", ["storage.object.delete", "storage.object.delete_many"])
def test_a_delete_finds_the_row_whatever_the_scan_said_and_is_the_persons(api, verdict, operation):
    version = upload(api, VOICE)
    if verdict != "pending":
        settle(api, verdict)
    bucket, name = VOICE
    with asking(api, operation) as session:
        assert row(session, f"{FIND} for update", (name, bucket))[1] == version
        scope(session, "authenticated", operation, BOB)
        assert session.execute(DELETE, (name, bucket)).fetchone() is None
        scope(session, "authenticated", operation, ADA)
        assert session.execute(DELETE, (name, bucket)).fetchone()


def test_a_list_is_the_persons_scanned_or_not(api):
    upload(api, VOICE)
    for person, expected in ((ADA, [(VOICE[1],)]), (BOB, [])):
        with asking(api, "storage.object.list", "authenticated", person) as session:
            assert session.execute(LIST, (VOICE[0],)).fetchall() == expected


def test_a_bucket_with_unscanned_files_counts_as_full(api):
    upload(api, VOICE)
    for operation in ("storage.bucket.delete", "storage.bucket.empty"):
        with asking(api, operation) as session:
            assert row(session, "select count(*) from storage.objects where bucket_id = 'audio'") == (1,)


def test_while_it_serves_it_changes_nothing_that_it_does_not_find(api):
    upload(api, ME)
    bucket, name = ME
    with asking(api, "storage.object.get_public") as session:
        values = ("x", bucket, ADA, ADA, "{}", "another", bucket, name)
        assert session.execute(MOVE.encode(), values).fetchone() is None
        assert session.execute(DELETE, (name, bucket)).fetchone() is None
        refused(session, psycopg.errors.InsufficientPrivilege, UPSERT, name, ADA, ADA, bucket, "{}", "another")


@pytest.mark.parametrize(
    "statement",
    [
        "update storage.objects set created_at = now()",
        "update storage.objects set is_versioned = true",
        "insert into storage.objects (id, bucket_id, name) values (gen_random_uuid(), 'avatars', 'x')",
        "truncate storage.objects",
        "insert into storage.buckets (id, name) values ('mine', 'mine')",
        "update storage.buckets set public = true",
        "delete from storage.buckets",
        "select * from public.users",
        "select * from next_auth.sessions",
        "select * from private.object_scans",
        "select private.settle_scan('audio', 'x', 'y', 1, 'clean', null, 'x')",
        "select * from ops.take_scans(1)",
        "select * from public.take_deletions(1)",
        "select auth.uid()",
        "create table storage.mine (id int)",
        "alter table storage.objects disable row level security",
    ],
)
def test_it_may_nothing_else(api, statement):
    upload(api, VOICE)
    with asking(api, "storage.object.upload") as session:
        refused(session, psycopg.errors.InsufficientPrivilege, statement)


def test_nobody_but_the_storage_apis_login_becomes_it(api):
    memberships = """
        select m.rolname from pg_auth_members as a join pg_roles as m on m.oid = a.member
        where a.roleid = 'storage_service'::regrole
    """
    assert api.execute(memberships).fetchall() == [("supabase_storage_admin",)]
    assert row(api, "select rolcanlogin, rolbypassrls, rolsuper from pg_roles where rolname = 'storage_service'") == (
        False,
        False,
        False,
    )


def test_a_file_is_looked_up_by_its_index_among_many(api):
    api.execute(
        "insert into storage.objects (bucket_id, name, version) "
        "select 'avatars', md5(n::text) || '/' || n || '.png', n::text from generate_series(1, 20000) as n"
    )
    upload(api, ME)
    settle(api, "clean")
    api.execute("analyze storage.objects, private.object_scans")
    with asking(api, "storage.object.get_public") as session:
        plan: dict[str, Any] = row(session, f"explain (analyze, format json) {FIND}", (ME[1], ME[0]))[0][0]["Plan"]
    text = json.dumps(plan)
    assert plan["Actual Rows"] == 1, text
    assert "Seq Scan" not in text, text
    assert plan["Plans"][-1]["Rows Removed by Filter"] == 0, text

"""A project that was deleted comes back with all rows and files, and all that a person owned."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pyrage
import pytest
from visual_prompt_builder.names import key
from visual_prompt_builder.signing import Store

from declared import grants
from ops import __main__ as ops
from ops.backups import checking, making, options, projects, storedfiles
from ops.backups.checking import Backup
from ops.backups.errors import BackupError
from ops.environment import Environment
from ops.storage.restoring import Why
from tests.conftest import Cluster
from tests.objects import sound
from tests.objects.test_backups import Memory
from tests.sql import provision

pytestmark = pytest.mark.xdist_group("backups")
IDENTITY = pyrage.x25519.Identity.generate()
ADA, BOB, EVE = provision.ADA, provision.BOB, "00000000-0000-7000-8000-00000000000e"
PROJECT, OTHER = "00000000-0000-7000-8000-0000000000a1", "00000000-0000-7000-8000-0000000000b1"
GROUP = "00000000-0000-7000-8000-0000000000c1"
WHY = Why("ticket 12", "grace")
FILES = {"kept.mp3": "10000000-0000-4000-8000-000000000001", "gone.mp3": "10000000-0000-4000-8000-000000000002"}
MORE = f"""
insert into next_auth.users (id, name, email) values ('{EVE}', 'Eve', 'eve@example.org');
insert into public.projects (id, owner_id, title, visibility, created_at, updated_at) values
    ('{PROJECT}', '{ADA}', 'one', 'shared', '2026-01-02', '2026-01-02'),
    ('{OTHER}', '{BOB}', 'two', 'shared', '2026-01-02', '2026-01-02');
insert into public.project_components (id, project_id, parent_id, kind, position) values
    ('{GROUP}', '{PROJECT}', null, 'group', '5');
insert into public.project_components (project_id, parent_id, kind, position, properties) values
    ('{PROJECT}', '{GROUP}', 'text', '6', '{{"a": 1}}'), ('{OTHER}', null, 'text', '5', '{{}}');
insert into public.prompt_generations (project_id, created_by, prompt, provider, model, status) values
    ('{PROJECT}', '{EVE}', 'a prompt', 'x', 'm', 'pending'), ('{OTHER}', '{EVE}', 'p', 'x', 'm', 'pending');
insert into public.collaborators (project_id, user_id, role, invited_by, accepted_at) values
    ('{PROJECT}', '{BOB}', 'editor', '{ADA}', now()), ('{OTHER}', '{ADA}', 'viewer', '{BOB}', now());
"""
# All that is of one project, without the moment of its last change.
CONTENTS = f"""
select 'project', to_jsonb(t) - 'updated_at' from public.projects as t where id = '{PROJECT}'
union all select 'component', to_jsonb(t) - 'updated_at' from public.project_components as t
    where project_id = '{PROJECT}'
union all select 'generation', to_jsonb(t) - 'updated_at' from public.prompt_generations as t
    where project_id = '{PROJECT}'
union all select 'collaborator', to_jsonb(t) - 'updated_at' from public.collaborators as t
    where project_id = '{PROJECT}'
union all select 'recording', to_jsonb(t) - '{{updated_at,scan_status,scanned_at}}'::text[]
    from public.audio_recordings as t where project_id = '{PROJECT}'
union all select 'words', to_jsonb(t) from private.project_words as t where project_id = '{PROJECT}'
order by 1, 2"""


class App:
    """A complete database with two projects, their files at S3, and a backup of it."""

    def __init__(self, url: str, store: Store, more: str = "select") -> None:
        self.url, self.store = url, store
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "insert into storage.buckets (id, name) values ('audio', 'audio'), ('avatars', 'avatars')"
                " on conflict do nothing"
            )
            provision.add_people(connection)
            connection.execute(MORE.encode())
            connection.execute(more.encode())
            for name, version in FILES.items():
                self.stored(connection, "audio", f"{PROJECT}/{name}", version)
                connection.execute(
                    "insert into public.audio_recordings (project_id, object_path, transcript, created_by)"
                    " values (%s, %s, 'words', %s)",
                    (PROJECT, f"{PROJECT}/{name}", BOB),
                )
            self.stored(connection, "avatars", f"{ADA}/me.png", str(uuid4()), "image/png")
        self.place = Memory()
        making.Making("dev", url, self.place, [IDENTITY.to_public()], store).run()
        self.backup: Backup = checking.named(self.place, None)

    def stored(
        self, connection: psycopg.Connection[Any], bucket: str, name: str, version: str, type: str = "audio/mpeg"
    ) -> None:
        self.store.s3.put_object(
            Bucket=self.store.bucket,
            Key=key(self.store.tenant, bucket, name, version),
            Body=sound.mp3(),
            ContentType=type,
        )
        metadata = json.dumps({"mimetype": type, "size": len(sound.mp3())})
        connection.execute(
            "insert into storage.objects (bucket_id, name, version, metadata) values (%s, %s, %s, %s)",
            (bucket, name, version, metadata),
        )

    def removed(self, name: str) -> None:
        """As the app's server and the cleaner remove a file: its row, and a delete marker at S3."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("set storage.allow_delete_query = 'true'")
            connection.execute("delete from storage.objects where name = %s", (f"{PROJECT}/{name}",))
            connection.execute("delete from private.deletion_queue where object_path = %s", (f"{PROJECT}/{name}",))
        found = key(self.store.tenant, "audio", f"{PROJECT}/{name}", FILES[name])
        self.store.s3.delete_object(Bucket=self.store.bucket, Key=found)

    def run(self, statement: str) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def project(self, id: str = PROJECT) -> Any:
        return projects.project(self.url, id, self.backup, [IDENTITY], self.store)

    def person(self, id: str) -> Any:
        return projects.person(self.url, id, self.backup, [IDENTITY], self.store)


@pytest.fixture(scope="module")
def made(cluster: Cluster, complete_template: str, store: Store) -> Iterator[App]:
    """What nobody changes, but for a clone."""
    database = cluster.create("restored_projects", complete_template)
    yield App(database.url, store)
    cluster.drop(database.name)


@pytest.fixture
def app(cluster: Cluster, made: App) -> Iterator[App]:
    """A clone of this test alone."""
    database = cluster.create("restored_projects_clone", "restored_projects")
    clone = App.__new__(App)
    clone.__dict__ |= made.__dict__ | {"url": database.url}
    yield clone
    cluster.drop(database.name)


def test_a_deleted_project_comes_back_with_its_files(app: App):
    was = app.run(CONTENTS)
    others = app.run(f"select * from public.projects where id <> '{PROJECT}' order by id")
    app.run(f"delete from public.projects where id = '{PROJECT}'")
    app.removed("gone.mp3")
    assert app.run(CONTENTS) == []
    with app.project() as task:
        planned = task.tried(WHY)
        assert app.run(CONTENTS) == [], "a trial changes nothing"
        assert {name: rows.missing for name, rows in planned.items()} == {
            "public.projects": 1,
            "public.collaborators": 1,
            "public.audio_recordings": 2,
            "public.project_components": 2,
            "public.prompt_generations": 1,
        }
        assert [file.name for file in task.files.returning] == [f"{PROJECT}/gone.mp3"]
        assert (task.files.there, task.files.lost) == (1, [])
        task.write(planned, WHY)
    now = app.run(CONTENTS)
    assert (now == was) is True, [row for row in now if row not in was]
    assert app.run("select count(*) from private.deletion_queue") == [(0,)], "nothing removes its files again"
    assert app.run(f"select * from public.projects where id <> '{PROJECT}' order by id") == others
    ((version,),) = app.run(f"select version from storage.objects where name = '{PROJECT}/gone.mp3'")
    assert version != FILES["gone.mp3"]
    found = key(app.store.tenant, "audio", f"{PROJECT}/gone.mp3", version)
    assert app.store.s3.get_object(Bucket=app.store.bucket, Key=found)["Body"].read() == sound.mp3()
    ((decided,),) = app.run(f"select decided_by from private.object_scans where version = '{version}'")
    assert decided.endswith(f"restored by grace from version {FILES['gone.mp3']}: ticket 12")
    with app.project() as task:
        again = task.tried(WHY)
        assert {rows.missing for rows in again.values()} == {0}
        assert task.files.returning == []


def test_what_is_there_stays_as_it_is_now(app: App):
    app.run(f"update public.projects set title = 'new' where id = '{PROJECT}'")
    app.run(f"delete from public.project_components where id = '{GROUP}'")
    with app.project() as task:
        planned = task.tried(WHY)
        assert (planned["public.projects"].missing, planned["public.projects"].differing) == (0, 1)
        assert planned["public.project_components"].missing == 2
        task.write(planned, WHY)
    assert app.run(f"select title from public.projects where id = '{PROJECT}'") == [("new",)]


def test_who_has_left_is_forgotten_in_it_and_an_owner_who_has_left_keeps_it_away(app: App):
    app.run(f"delete from public.projects where id = '{PROJECT}'; delete from next_auth.users where id = '{EVE}'")
    with app.project() as task:
        planned = task.tried(WHY)
        assert planned["public.prompt_generations"].forgotten == [("public.users", 1)]
        task.write(planned, WHY)
    rows = app.run(f"select created_by from public.prompt_generations where project_id = '{PROJECT}'")
    assert rows == [(None,)]
    app.run(f"delete from next_auth.users where id = '{ADA}'")
    with app.project() as task, pytest.raises(BackupError, match="its owner has left, so it stays away"):
        task.tried(WHY)
    with pytest.raises(BackupError, match="has no account, or has left, and who has left stays away"):
        with app.person(ADA):
            pass


def test_all_that_a_person_owned_comes_back_and_nothing_of_others(app: App):
    app.run(f"delete from public.projects where owner_id in ('{ADA}', '{BOB}')")
    app.run("set storage.allow_delete_query = 'true'; delete from storage.objects where bucket_id = 'avatars'")
    mine = "select id::text from public.projects order by 1"
    with app.person(ADA) as task:
        planned = task.tried(WHY)
        assert [file.bucket for file in task.files.returning] == ["avatars"]
        task.write(planned, WHY)
    assert (OTHER,) not in app.run(mine)
    assert (PROJECT,) in app.run(mine)
    assert app.run("select name from storage.objects where bucket_id = 'avatars'") == [(f"{ADA}/me.png",)]


def test_what_was_handed_over_and_who_was_removed_since_stays_so(app: App):
    """A backup gives nobody a way in that was taken from them."""
    members = "select project_id::text, user_id::text from public.collaborators order by 1, 2"
    app.run(f"delete from public.collaborators; delete from public.project_components where id = '{GROUP}'")
    with app.project() as task:
        planned = task.tried(WHY)
        assert (planned["public.collaborators"].missing, planned["public.project_components"].missing) == (0, 2)
    app.run(f"update public.projects set owner_id = '{EVE}' where id = '{PROJECT}'")
    with app.person(ADA) as task:
        planned = task.tried(WHY)
        assert task.others == 1
        assert {rows.missing for rows in planned.values()} == {0}
        task.write(planned, WHY)
    assert app.run(members) == []
    with pytest.raises(BackupError, match="is another person's by now than in backup"):
        with app.project():
            pass


def test_what_came_since_the_backup_or_is_not_declared_stands_in_no_way(app: App):
    app.run(
        "create table public.notes (id int primary key, project_id uuid references public.projects on delete cascade);"
        "create table public.sections (id uuid primary key);"
        "alter table public.prompt_generations add section_id uuid references public.sections on delete cascade"
    )
    app.run(f"delete from public.projects where id = '{PROJECT}'")
    with app.project() as task:
        planned = task.tried(WHY)
        task.write(planned, WHY)
        assert task.undeclared == []
    assert planned["public.prompt_generations"].missing == 1


def test_what_the_store_has_no_more_is_named_and_its_recording_is_left_out(app: App):
    app.run(f"delete from public.projects where id = '{PROJECT}'")
    app.removed("gone.mp3")
    with psycopg.connect(app.url) as connection, app.project() as task:
        connection.close()
        task.files.returning.clear()
        task.files.lost.append("audio/x")
        planned = task.tried(WHY)
    assert planned["public.audio_recordings"].left_out == [("storage.objects", 1)]
    assert planned["public.audio_recordings"].missing == 1


def test_files_that_are_being_deleted_just_now_are_waited_for(app: App):
    app.run(f"delete from public.projects where id = '{PROJECT}'; select * from ops.take_deletions(10)")
    with app.project() as task, pytest.raises(BackupError, match="are being deleted just now; nothing was changed"):
        task.tried(WHY)


def test_a_quota_without_room_is_named_with_its_numbers(app: App):
    """In the trial, so before anything is copied; what is kept of deleted files has a limit of its own."""
    app.run(f"delete from public.projects where id = '{PROJECT}'")
    app.removed("gone.mp3")
    size = len(sound.mp3())

    def refused(limit: int, used: int, kept: int) -> str:
        app.run(f"delete from private.storage_quotas; insert into private.storage_quotas values ('{ADA}', {limit})")
        app.run(f"delete from private.storage_usage where folder_id = '{ADA}'")
        app.run(f"insert into private.storage_usage values ('{ADA}', '', 1, {used}, {kept})")
        with app.project() as task, pytest.raises(BackupError) as caught:
            task.tried(WHY)
        return str(caught.value)

    # One comes back, the other one is there and counts for nobody since the project is gone.
    need = f"storage quota of person {ADA}: the files need {2 * size} bytes, and"
    end = "; raise it in private.storage_quotas or delete files, and run again; nothing was changed"
    for limit, used in ((size, 0), (3 * size, 2 * size)):
        assert refused(limit, used, 0) == f"{need} {used} of {limit} are used{end}"
    kept = f", {6 * size} more are kept of deleted files, which may be as much again"
    assert refused(3 * size, 0, 6 * size) == f"{need} 0 of {3 * size} are used{kept}{end}"
    app.run("delete from private.storage_quotas")
    with app.project() as task:
        task.write(task.tried(WHY), WHY)


def test_a_file_that_is_deleted_between_the_trial_and_the_write_ends_it(app: App):
    """Queued alone, it stays and is queued no more; with its row gone, nothing is changed."""
    app.run(f"delete from public.projects where id = '{PROJECT}'; delete from private.deletion_queue")
    with app.project() as task:
        planned = task.tried(WHY)
        assert task.files.there == 2
        app.run(f"insert into private.deletion_queue (bucket_id, object_path) values ('audio', '{PROJECT}/kept.mp3')")
        app.run("set storage.allow_delete_query = 'true'; delete from storage.objects where name like '%/gone.mp3'")
        with pytest.raises(BackupError, match="a file that was there is gone by now; nothing was changed, run again"):
            task.write(planned, WHY)
    assert app.run(CONTENTS) == []
    with app.project() as task:
        assert [file.name for file in task.files.returning] == [f"{PROJECT}/gone.mp3"]
        task.write(task.tried(WHY), WHY)
    assert app.run("select count(*) from private.deletion_queue") == [(0,)]
    assert app.run("select count(*) from public.audio_recordings") == [(2,)]


def test_after_an_interruption_no_copy_is_left(app: App):
    """As by Ctrl-C, when a file was copied and before its row is written."""
    app.run(f"delete from public.projects where id = '{PROJECT}'")
    app.removed("gone.mp3")

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with app.project() as task:
        new = key(app.store.tenant, "audio", f"{PROJECT}/gone.mp3", task.files.returning[0].version)
        with pytest.raises(KeyboardInterrupt):
            task.write(task.tried(WHY), WHY, interrupt)
    assert app.store.s3.list_objects_v2(Bucket=app.store.bucket, Prefix=new)["KeyCount"] == 0
    assert app.run(CONTENTS) == []


def test_rows_that_belong_to_it_over_their_parent_row_alone_come_back(
    cluster: Cluster, complete_template: str, store: Store, monkeypatch
):
    """However deep they are, in whatever order; and none of another's."""
    database = cluster.create("restored_below", complete_template)
    made = App(
        database.url,
        store,
        more="create table public.notes (id int primary key,"
        " project_id uuid references public.projects on delete cascade,"
        " parent_id int references public.notes on delete cascade);"
        f"insert into public.notes values (9, '{PROJECT}', null), (8, '{OTHER}', null);"
        "insert into public.notes values (4, null, 9), (5, null, 8);"
        "insert into public.notes values (2, null, 4), (3, null, 5), (1, null, 2), (7, null, null)",
    )
    monkeypatch.setitem(grants.TABLES, "public.notes", {})
    was = made.run("select * from public.notes order by id")
    made.run(f"delete from public.projects where id = '{PROJECT}'")
    assert made.run("select id from public.notes order by id") == [(3,), (5,), (7,), (8,)]
    with made.project() as task:
        planned = task.tried(WHY)
        assert planned["public.notes"].missing == 4
        task.write(planned, WHY)
    assert made.run("select * from public.notes order by id") == was
    cluster.drop(database.name)


def test_what_fails_leaves_no_row_and_no_copy(app: App):
    app.run(f"delete from public.projects where id = '{PROJECT}'")
    app.removed("gone.mp3")
    with app.project() as task:
        planned = task.tried(WHY)
        new = key(app.store.tenant, "audio", f"{PROJECT}/gone.mp3", task.files.returning[0].version)
        app.run(f"delete from next_auth.users where id = '{EVE}'")
        with pytest.raises(BackupError, match="was written to meanwhile; nothing was changed"):
            task.write(planned, WHY)
    assert app.run(CONTENTS) == []
    listed = app.store.s3.list_objects_v2(Bucket=app.store.bucket, Prefix=new)
    assert listed["KeyCount"] == 0


def test_the_command_shows_asks_for_a_reason_and_for_the_stack(app: App, monkeypatch, capsys):
    outputs = {"admin_url": app.url}
    monkeypatch.setattr(Environment, "of", classmethod(lambda cls, name: Environment(name, outputs)))
    monkeypatch.setattr(options, "place", lambda *_: app.place)
    monkeypatch.setattr(options, "identities", lambda *_, needed: [IDENTITY])
    monkeypatch.setattr(options, "store", lambda environment: app.store)
    app.run(f"delete from public.projects where id = '{PROJECT}'")
    app.removed("gone.mp3")
    command = ["restore", "project", PROJECT]
    assert ops.main([*command, "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["files"]["returning"], said["tables"]["public.projects"]["missing"]) == (1, 1)
    assert ops.main([*command, "--confirm", "dev"]) == 1
    assert "comes back for a --reason, which the audit log keeps; nothing was changed" in capsys.readouterr().err
    assert ops.main([*command, "--reason", "ticket 12"]) == 1
    assert f"this inserts what project {PROJECT} has lost; confirm with --confirm dev" in capsys.readouterr().err
    assert app.run(CONTENTS) == []
    assert ops.main(["restore", "person", ADA, "--reason", "ticket 12", "--confirm", "dev"]) == 0
    assert f"files: 1 to copy back, {len(sound.mp3())} bytes; 2 there already" in capsys.readouterr().out
    assert len(app.run(CONTENTS)) == 8
    capsys.readouterr()
    app.run(f"delete from public.projects where id = '{PROJECT}'")
    app.removed("kept.mp3")
    monkeypatch.setattr(storedfiles, "_version", lambda store, entry: None)
    assert ops.main([*command, "--reason", "ticket 12", "--confirm", "dev"]) == 2
    said_then = capsys.readouterr()
    assert f"lost: audio/{PROJECT}/kept.mp3, whose version the object store has no more" in said_then.out
    assert said_then.err.endswith(
        "restored; ./vpb preview --stack dev compares the rest\n"
        f"project {PROJECT}: 1 files are lost: the object store has them no more\n"
    )
    assert app.run(f"select count(*) from public.projects where id = '{PROJECT}'") == [(1,)]
    assert ops.main(["restore", "project", "x"]) == 1
    assert capsys.readouterr().err.startswith("error: Invalid value for 'PROJECT_ID'")


def test_a_project_that_is_not_in_the_backup_is_refused(app: App):
    with pytest.raises(BackupError, match=r"^project 0{8}-0000-7000-8000-0{12}: isn't in backup "):
        with app.project("00000000-0000-7000-8000-000000000000"):
            pass

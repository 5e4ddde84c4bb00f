"""A whole database comes back in place of the one that is there, which is kept; where that fails, nothing changes."""

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from visual_prompt_builder.names import key
from visual_prompt_builder.signing import Store

from harness import scratch
from ops import __main__ as ops
from ops.backups import checking, drill, making, options, roles, whole
from ops.backups.errors import BackupError, BadBackup
from ops.backups.whole import Whole
from ops.environment import Environment
from tests.conftest import Cluster
from tests.objects.test_backups import Memory
from tests.objects.test_restore_projects import ADA, BOB, FILES, IDENTITY, PROJECT, App

pytestmark = pytest.mark.xdist_group("backups")
NAMES = "select datname, datconnlimit from pg_database where datname like 'restored_whole%' order by 1"
INSIDE = "select usename::text from pg_stat_activity where datname = 'restored_whole' and usename = 'knocking'"
PEOPLE = "select name from next_auth.users order by 1"


class Server:
    """The server of a test, beside the database that is restored."""

    def __init__(self, cluster: Cluster, app: App) -> None:
        self.cluster, self.app, self.url = cluster, app, app.url

    def run(self, statement: str, database: str = "postgres") -> list[Any]:
        with psycopg.connect(self.url, dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def whole(self, store: Store | None = None, **changes: Any) -> Whole:
        return dataclasses.replace(Whole(self.url, self.app.backup, [IDENTITY], store), **changes)


@pytest.fixture
def server(cluster: Cluster, complete_template: str, store: Store) -> Iterator[Server]:
    database = cluster.create("restored_whole", complete_template)
    made = Server(cluster, App(database.url, store))
    yield made
    for name, _ in made.run(NAMES):
        made.run(f'drop database "{name}" with (force)')


def test_the_database_comes_back_and_the_one_that_was_there_is_kept(server: Server, store: Store):
    """With what a backup can't know: who has left since, backups since then, files that were deleted since."""
    app = server.app
    idle = psycopg.connect(server.url)
    idle.execute("select 1")
    app.run(f"delete from next_auth.users where id = '{BOB}'; delete from public.projects")
    app.run("select ops.keep_instant('20260101T000000Z-00000001', now() - interval '1 hour', 3, '')")
    app.run(
        "update private.backups set drilled_at = now(), passed = true, recovery_point = '1s', recovery_time = '2s'"
        " where backup <> '20260101T000000Z-00000001'"
    )
    app.removed("gone.mp3")
    task = server.whole(store)
    plan = task.plan()
    assert (plan.database, plan.limit, plan.before) == ("restored_whole", -1, [])
    done = task.run(plan)
    idle.close()
    assert {check.result for check in done.checks} <= {drill.PASSED, drill.SKIPPED}
    assert (done.left, done.files, done.lost) == (1, 1, [])
    assert app.run(PEOPLE) == [("Ada",), ("Eve",)], "who has left since stays away"
    assert app.run(f"select owner_id::text from public.projects where id = '{PROJECT}'") == [(ADA,)]
    assert app.run("select passed from private.backups order by backup") == [(None,), (True,)]
    found = key(store.tenant, "audio", f"{PROJECT}/gone.mp3", FILES["gone.mp3"])
    assert store.s3.head_object(Bucket=store.bucket, Key=found)["ContentLength"] > 0
    assert server.run(NAMES) == [("restored_whole", -1), (plan.replaced, 0)]
    assert server.run("select count(*) from public.projects", plan.replaced) == [(0,)]
    assert server.whole().plan().before == [plan.replaced]


def damaged(server: Server) -> Whole:
    """A backup with a part that was cut off, whose summary is right."""
    place, backup = server.app.place, server.app.backup
    manifest = backup.manifest([IDENTITY])
    part = next(each for each in manifest.tables if each.label == "public.projects").parts[0]
    name = f"{backup.id}/{part.name}"
    place.objects = place.objects | {name: place.objects[name][:-1]}
    return server.whole()


def differing(server: Server) -> Whole:
    """A database that isn't as the manifest says when it was restored."""
    task = server.whole()
    tables = [
        dataclasses.replace(table, checksum="1") if table.label == "public.projects" else table
        for table in task.manifest.tables
    ]
    task.manifest.tables = tables
    return task


@pytest.mark.parametrize(("made", "said"), [(damaged, "and not the"), (differing, "of other contents")])
def test_what_can_not_be_restored_leaves_what_was_there(server: Server, made: Any, said: str):
    server.run("alter database restored_whole connection limit 7")
    server.app.run("update public.projects set title = 'since then'")
    task = made(server)
    with pytest.raises(BadBackup) as caught:
        task.run(task.plan())
    assert "\n" not in str(caught.value)
    assert said in str(caught.value)
    assert server.run(NAMES) == [("restored_whole", 7)]
    assert server.app.run("select distinct title from public.projects") == [("since then",)]


def test_into_a_server_without_it_and_a_file_that_is_lost(server: Server, store: Store):
    app = server.app
    server.run("drop database restored_whole with (force)")
    found = key(store.tenant, "audio", f"{PROJECT}/kept.mp3", FILES["kept.mp3"])
    for version in store.s3.list_object_versions(Bucket=store.bucket, Prefix=found)["Versions"]:
        store.s3.delete_object(Bucket=store.bucket, Key=found, VersionId=version["VersionId"])
    task = server.whole(store, departed=[BOB, "00000000-0000-7000-8000-0000000000ff"])
    plan = task.plan()
    assert plan.replaced == ""
    done = task.run(plan)
    assert (done.left, done.lost) == (1, [f"audio/{PROJECT}/kept.mp3"])
    assert app.run(PEOPLE) == [("Ada",), ("Eve",)]
    assert server.run(NAMES) == [("restored_whole", -1)]


def test_roles_that_are_there_stay_as_they_are(server: Server):
    """A role that got or lost a right since the backup, the caller's own too, isn't put back."""
    app = server.app
    server.run("create role kept_role; grant kept_role to monitor")
    making.Making("dev", server.url, app.place, [IDENTITY.to_public()]).run()
    server.run("alter role kept_role createdb; revoke kept_role from monitor")
    task = server.whole(backup=checking.named(app.place, None))
    done = task.run(task.plan())
    assert {check.name for check in done.checks if check.result == drill.FAILED} == {"roles"}
    found = server.run(
        "select rolcreatedb, pg_has_role('monitor', 'kept_role', 'member') from pg_roles where rolname = 'kept_role'"
    )
    server.run("drop role kept_role")
    assert found == [(True, False)]


def test_a_role_that_was_dropped_since_is_made_without_a_way_in(server: Server):
    """What of it is of two lines is one statement."""
    app = server.app
    server.run(
        "create role dropped_role login createdb in role monitor; grant select on public.projects to dropped_role",
        "restored_whole",
    )
    server.run("comment on role dropped_role is E'one\ntwo'")
    making.Making("dev", server.url, app.place, [IDENTITY.to_public()]).run()
    app.run("drop owned by dropped_role")
    server.run("drop role dropped_role")
    task = server.whole(backup=checking.named(app.place, None))
    done = task.run(task.plan())
    assert done.roles == ["dropped_role"]
    found = server.run(
        "select rolcanlogin, rolcreatedb, pg_has_role('dropped_role', 'monitor', 'member')"
        " from pg_roles where rolname = 'dropped_role'"
    )
    app.run("drop owned by dropped_role")
    server.run("drop role dropped_role")
    assert found == [(False, False, False)]


def test_what_is_no_statement_of_roles_is_refused(server: Server):
    with psycopg.connect(server.url, autocommit=True) as session:
        for text in ("\\! touch /tmp/x", "create table x (id int);", "do $$ begin end $$;"):
            with pytest.raises(BadBackup, match=r"^roles\.age: "):
                roles.make(session, text, bare=False)


def test_an_app_that_knocks_is_never_in(server: Server):
    """It connects again and again, and once the new database is there too, before that is closed."""
    server.run("create role knocking login password 'made-up'")
    server.run("grant connect on database restored_whole to knocking")
    with psycopg.connect(server.url) as connection:
        where = connection.info
        url = f"postgresql://knocking:made-up@{where.host}:{where.port}/restored_whole"
    making.Making("dev", server.url, server.app.place, [IDENTITY.to_public()]).run()
    task, inside, stop = server.whole(backup=checking.named(server.app.place, None)), list[str](), threading.Event()

    def knock() -> None:
        while not stop.is_set():
            with suppress(psycopg.Error), psycopg.connect(url) as session:
                while not stop.is_set():
                    session.execute("select 1")
                    time.sleep(0.002)

    plan, knocker = task.plan(), threading.Thread(target=knock)

    def progress(step: str) -> None:
        if step == "rows and checksums":
            inside.extend(name for (name,) in server.run(INSIDE))

    task.progress = progress
    knocker.start()
    try:
        task.run(plan)
    finally:
        stop.set()
        knocker.join()
        for name in ("restored_whole", plan.replaced):
            server.run("revoke all on database restored_whole from knocking", "postgres")
            server.run("drop owned by knocking", name)
        server.run("drop role knocking")
    assert inside == []


def test_two_at_once_and_one_after_a_kill_are_refused(server: Server):
    task = server.whole()
    plan = task.plan()
    with psycopg.connect(server.url, dbname="postgres", autocommit=True) as other:
        other.execute(whole.ALONE)
        with pytest.raises(BackupError, match="another restore of an environment is at work there"):
            task.run(plan)
    assert server.run(NAMES) == [("restored_whole", -1)]
    server.run(f'alter database restored_whole rename to "{plan.replaced}"')
    server.run("create database restored_whole connection limit 0")
    with pytest.raises(
        BackupError, match=r"as a restore that was killed leaves them\. Run these in database postgres, and stop"
    ):
        server.whole().plan()


def test_a_database_that_came_meanwhile_is_not_dropped(server: Server):
    server.run("drop database restored_whole with (force)")
    task = server.whole()
    plan = task.plan()
    server.run("create database restored_whole")
    with pytest.raises(BackupError, match="database restored_whole: is there by now; nothing was changed"):
        task.run(plan)
    assert server.run(NAMES) == [("restored_whole", -1)]


def test_a_database_that_can_not_be_renamed_stays_open(server: Server):
    task = server.whole()
    plan = task.plan()
    server.run(f'create database "{plan.replaced}"')
    with pytest.raises(BackupError, match="already exists"):
        task.run(plan)
    assert ("restored_whole", -1) in server.run(NAMES)


def test_the_database_that_every_server_has_comes_back_too():
    """As that of the embedded server is called."""
    place = Memory()
    with scratch.server() as other:
        url = other.url("postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create table one (id int primary key); insert into one values (1), (2)")
        making.Making("dev", url, place, [IDENTITY.to_public()]).run()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("drop table one")
        task = Whole(url, checking.named(place, None), [IDENTITY])
        plan = task.plan()
        task.run(plan)
        with psycopg.connect(url) as connection:
            assert connection.execute("select count(*) from one").fetchone() == (2,)
            assert connection.execute("select datname from pg_database where datname like '%replaced%'").fetchall() == [
                (plan.replaced,)
            ]


def test_a_login_that_is_no_superuser_is_refused(server: Server):
    server.run("drop role if exists plain; create role plain login password 'made-up' createdb")
    with psycopg.connect(server.url) as connection:
        where = connection.info
        url = f"postgresql://plain:made-up@{where.host}:{where.port}/{where.dbname}"
    with pytest.raises(BackupError, match="its login is no superuser, which a whole restore needs; at AWS restore a"):
        server.whole(url=url).plan()
    server.run("drop role plain")


def test_the_command_finds_a_backup_by_its_instant_and_asks(server: Server, monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setattr(Environment, "of", classmethod(lambda cls, name: Environment(name, {"admin_url": server.url})))
    monkeypatch.setattr(options, "place", lambda *_: server.app.place)
    monkeypatch.setattr(options, "identities", lambda *_, needed: [IDENTITY])
    monkeypatch.setattr(options, "reachable", lambda stack: None)
    command = ["restore", "environment"]
    assert ops.main([*command, "--at", "2020-01-01T00:00Z"]) == 1
    assert "memory: has no complete backup from before 2020-01-01T00:00:00+00:00" in capsys.readouterr().err
    assert ops.main([*command, "--at", "yesterday"]) == 1
    assert "--at yesterday: must be an instant such as" in capsys.readouterr().err
    assert ops.main([*command, "--stack", "prod"]) == 1
    assert "is of stack dev, not prod; --of says which is meant" in capsys.readouterr().err
    assert ops.main([*command, "--elsewhere"]) == 1
    assert "RESTORE_SERVER_URL must be" in capsys.readouterr().err
    assert ops.main([*command, "--at", "2100-01-01", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["backup"] == checking.named(server.app.place, None).id
    assert ops.main(command) == 1
    assert "this replaces database restored_whole at" in capsys.readouterr().err
    assert len(server.run(NAMES)) == 1
    assert ops.main([*command, "--confirm", "dev"]) == 0
    said = capsys.readouterr()
    assert "rows: passed" in said.out
    assert "has what was there; drop it once it isn't needed" in said.err
    assert len(server.run(NAMES)) == 2

"""Rows of the app's tables come back from a backup, without those of who has left; others are refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pyrage
import pytest

from ops.backups import checking, making, rows
from ops.backups.errors import BackupError
from ops.backups.rows import Restored
from tests.conftest import Cluster
from tests.objects.test_backups import Memory
from tests.sql import provision

pytestmark = pytest.mark.xdist_group("backups")
IDENTITY = pyrage.x25519.Identity.generate()
ADA, BOB, EVE = provision.ADA, provision.BOB, "00000000-0000-7000-8000-00000000000e"
PROJECT, OTHER = "00000000-0000-7000-8000-0000000000a1", "00000000-0000-7000-8000-0000000000b1"
GROUP = "00000000-0000-7000-8000-0000000000c1"
MORE = f"""
insert into next_auth.users (id, name, email) values ('{EVE}', 'Eve', 'eve@example.org');
insert into public.projects (id, owner_id, title) values ('{PROJECT}', '{ADA}', 'one'), ('{OTHER}', '{BOB}', 'two');
insert into public.project_components (id, project_id, parent_id, kind, position) values
    ('{GROUP}', '{PROJECT}', null, 'group', '5');
insert into public.project_components (project_id, parent_id, kind, position, properties) values
    ('{PROJECT}', '{GROUP}', 'text', '6', '{{"a": 1}}'), ('{OTHER}', null, 'text', '5', '{{}}');
insert into public.prompt_generations (project_id, created_by, prompt, provider, model) values
    ('{PROJECT}', '{BOB}', 'p', 'x', 'm'), ('{OTHER}', '{EVE}', 'p', 'x', 'm');
insert into public.collaborators (project_id, user_id, invited_by) values ('{PROJECT}', '{BOB}', '{ADA}');
insert into public.collaborators (project_id, email, invited_by) values ('{PROJECT}', 'eve@example.org', '{ADA}'),
    ('{OTHER}', 'nobody@example.org', '{BOB}');
"""


class App:
    """A complete database with rows in each table of `public`, and a backup of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        with psycopg.connect(url, autocommit=True) as connection:
            provision.add_people(connection)
            connection.execute(MORE.encode())
            provision.add_recording(connection, PROJECT, person=BOB)
        place = Memory()
        making.Making("dev", url, place, [IDENTITY.to_public()]).run()
        self.backup = checking.named(place, None)
        self.manifest = self.backup.manifest([IDENTITY])

    @contextmanager
    def restored(self, name: str, replace: bool = False, url: str = "") -> Iterator[Restored]:
        with rows.restored(url or self.url, self.backup, self.manifest, name, [IDENTITY], replace) as task:
            yield task


@pytest.fixture(scope="module")
def made(cluster: Cluster, complete_template: str) -> Iterator[App]:
    """What nobody changes, but for a clone."""
    database = cluster.create("restored_app", complete_template)
    yield App(database.url)
    cluster.drop(database.name)


@pytest.fixture
def app(cluster: Cluster, made: App) -> Iterator[App]:
    """A clone of this test alone."""
    database = cluster.create("restored_app_clone", "restored_app")
    clone = App.__new__(App)
    clone.url, clone.backup, clone.manifest = database.url, made.backup, made.manifest
    yield clone
    cluster.drop(database.name)


def run(app: App, statement: str) -> list[Any]:
    with psycopg.connect(app.url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_rows_of_each_table_come_back(app: App):
    """By functions of triggers too that run as the owner, whom row security binds."""
    run(app, "delete from public.projects")
    for table, missing in (
        ("projects", 8),
        ("audio_recordings", 1),
        ("project_components", 3),
        ("prompt_generations", 2),
        ("collaborators", 2),
    ):
        with app.restored(f"public.{table}") as task:
            assert task.write(task.plan(), replace=False) == rows.Written(missing, 0, 0), table


def test_who_has_left_stays_away(app: App):
    """In batches or at once, as owner, by an address and as the author of something of another person's."""
    run(app, f"delete from next_auth.users where id = '{EVE}'; delete from public.collaborators")
    with app.restored("public.collaborators") as task:
        plan = task.plan()
        assert (plan.missing, plan.left_out) == (1, [("next_auth.users", 2)])
    with app.restored("public.prompt_generations", replace=True) as task:
        plan = task.plan()
        assert (plan.missing, plan.only_there, plan.left_out) == (0, 0, [])
        assert plan.forgotten == [("public.users", 1)], "what has forgotten her isn't put back"
        assert [columns for _, columns in plan.different] == [["updated_at"]]
    run(app, f"insert into private.departures (user_id) values ('{BOB}'); delete from public.project_components")
    with app.restored("public.project_components") as task:
        plan = task.plan()
        assert (plan.missing, plan.left_out) == (2, [("next_auth.users", 1)])


def test_who_leaves_meanwhile_stays_away(app: App):
    run(app, f"delete from public.projects where owner_id = '{BOB}'")
    with app.restored("public.projects") as task:
        plan = task.plan()
        run(app, f"insert into private.departures (user_id) values ('{BOB}')")
        with pytest.raises(BackupError, match="was written to meanwhile"):
            task.write(plan, replace=False)
    with app.restored("public.projects") as task, psycopg.connect(app.url) as leaving:
        assert task.plan().missing == 0
        leaving.execute("insert into private.departures (user_id) values (%s)", (ADA,))
        task.session.execute("set lock_timeout = '50ms'")
        with pytest.raises(BackupError, match="lock timeout; nothing was changed"):
            task.write(task.plan(), replace=False)
        leaving.rollback()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("public.users", "a profile belongs to an account"),
        ("analytics.api_usage_default", "triggers and batches write its rows"),
        ("auth.more", "has no table of this name"),
        ("next_auth.users", "it would bring back who has left"),
        ("authjs.users", "has no table of this name"),
    ],
)
def test_what_is_not_to_come_back_by_itself_is_refused(made: App, name, why):
    with pytest.raises(BackupError, match=why), made.restored(name):
        pass


def test_components_are_inserted_only(made: App):
    with pytest.raises(BackupError, match="--replace can't change its rows: its triggers take a change only with"):
        with made.restored("public.project_components", replace=True):
            pass


def test_a_login_that_row_security_binds_is_refused(made: App):
    """As on servers without a superuser: a member of the owner, whose tables force row security on it."""
    with psycopg.connect(made.url, autocommit=True) as connection:
        connection.execute("drop role if exists owning; create role owning login password 'made-up' in role app_owner")
        connection.execute("grant connect on database restored_app to owning")
        where = connection.info
        url = f"postgresql://owning:made-up@{where.host}:{where.port}/{where.dbname}"
        try:
            with pytest.raises(BackupError) as caught, made.restored("public.projects", url=url):
                pass
        finally:
            connection.execute("revoke connect on database restored_app from owning; drop role owning")
    assert "owning is no superuser and has no BYPASSRLS" in str(caught.value)
    assert "restore a snapshot of the server or a dump beside it" in str(caught.value)

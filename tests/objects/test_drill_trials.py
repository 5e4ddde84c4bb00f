"""A drill tries whether a restored database keeps people apart, lets them sign in, and is what this checkout makes."""

from collections.abc import Iterator
from functools import partial

import psycopg
import pytest

from harness import schemadump
from ops.backups import drill, golden, smoke, source
from ops.database import Connection, connect
from tests.conftest import Cluster
from tests.sql import provision

pytestmark = pytest.mark.xdist_group("backups")
TRIALS = ("trial of access", "trial of Auth.js", "golden schema")
# What is done to the database, and the trial that has to find it, with what it says.
DAMAGES = {
    "alter table public.projects disable row level security": ("access", "another's project: reaches 1 rows, not 0"),
    "drop policy projects_select_own_or_public on public.projects": ("access", "their own project: reaches 0 rows"),
    "create policy more on public.projects for select to anon using (true)": ("access", "anon, a person's project"),
    "grant select on public.users to anon": ("access", "anon, profiles: reaches 0 rows, has to be refused"),
    "grant usage on schema private to anon; grant select on private.audit_keys to anon": (
        "access",
        "anon, private.audit_keys: reaches",
    ),
    "create policy more on public.project_components for insert to authenticated with check (true)": (
        "access",
        "a new component of another's project",
    ),
    "create policy more on public.users for select to authenticated using (true)": ("access", "another's profile"),
    "drop policy sessions_insert_authjs on next_auth.sessions": ("sign-in", "createSession: new row violates"),
    "drop policy accounts_select_authjs on next_auth.accounts": ("sign-in", "linkAccount: new row violates"),
    "revoke usage on schema authjs from authjs": ("sign-in", 'createUser: relation "users" does not exist'),
    "drop policy users_delete_authjs on next_auth.users": ("sign-in", "deleteUser: reaches 0 rows and not 1"),
}
ROWS = "select count(*) from next_auth.users union all select count(*) from public.projects"


@pytest.fixture(scope="module")
def url(cluster: Cluster, complete_template: str) -> Iterator[str]:
    database = cluster.create("drill_trials", complete_template)
    with psycopg.connect(database.url, autocommit=True) as connection:
        provision.add_people(connection)
    yield database.url
    cluster.drop(database.name)


@pytest.fixture
def session(url: str) -> Iterator[Connection]:
    with connect(url, "test") as made:
        source.prepare(made)
        yield made


def tried(session: Connection, cluster: Cluster) -> dict[str, tuple[str, str]]:
    """Check to result and detail."""
    dump = partial(schemadump.of_scratch, cluster.server, session.info.dbname, golden.OURS)
    return {check.name: (check.result, check.detail) for check in drill.used(session, dump)}


def test_the_app_can_be_used_and_nothing_is_left_of_it(session: Connection, cluster: Cluster):
    before = session.execute(ROWS).fetchall()
    found = tried(session, cluster)
    names = TRIALS if cluster.server.version == schemadump.VERSION else TRIALS[:2]
    assert [(name, found[name][0]) for name in names] == [(name, drill.PASSED) for name in names], found
    assert ", of two people who were there, and undone" in found["trial of access"][1]
    with session.transaction(force_rollback=True):
        session.execute("set transaction read write")
        session.execute("delete from next_auth.users")
        good, wrong = smoke.access(session)
    assert (wrong, "two people who were made for it" in good) == ([], True)
    assert session.execute(ROWS).fetchall() == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_trial_finds_what_lets_others_in_or_keeps_people_out(session: Connection, damage: str):
    trial = {"access": smoke.access, "sign-in": smoke.sign_in}[DAMAGES[damage][0]]
    with session.transaction(force_rollback=True):
        session.execute("set transaction read write")
        session.execute(damage.encode())
        _, wrong = trial(session)
    assert [line for line in wrong if DAMAGES[damage][1] in line], wrong
    assert trial(session)[1] == []


def test_the_structure_is_compared_with_that_of_this_checkout(
    session: Connection, cluster: Cluster, complete_template: str
):
    """Not where other migrations have made it; row policies and what is there beside it are no difference."""
    if cluster.server.version != schemadump.VERSION:
        pytest.skip(f"sql/schema is what pg_dump of PostgreSQL {schemadump.VERSION} says")
    database = cluster.create("drill_golden", complete_template)
    dump = partial(schemadump.of_scratch, cluster.server, database.name, golden.OURS)
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("drop policy projects_select_public on public.projects; create table public.more (id int)")
        other.execute('create table public."Täble, all" (id int); create index "od d" on public."Täble, all" (id)')
        other.execute('comment on table public."Täble, all" is $$-- Name: users; Type: TABLE; Schema: public; x$$')
        count, wrong = golden.differences(dump)
        assert (count > 300, wrong) == (True, [])
        other.execute("alter table public.projects drop constraint projects_title_check; drop view authjs.sessions")
        other.execute("alter function audit.anchor() security definer")
        assert golden.differences(dump)[1] == [
            "public.projects isn't as sql/schema has it",
            "authjs.sessions is missing",
            "audit.anchor isn't as sql/schema has it",
        ]
        assert golden.unlike(other) == ""
        other.execute("update supabase_migrations.schema_migrations set checksum = 'x' where version = '0007'")
        said = golden.unlike(other)
        assert (
            said == "the backup was made at other migrations than those of this checkout, of which 0007_projects is"
            " the first"
        )
    cluster.drop(database.name)


def test_a_database_that_is_not_the_apps_is_skipped_with_the_reason(cluster: Cluster):
    database = cluster.create("drill_of_others", "template0")
    with connect(database.url, "test") as session:
        source.prepare(session)
        assert tried(session, cluster) == {
            "trial of access": (drill.SKIPPED, "the database isn't the app's"),
            "trial of Auth.js": (drill.SKIPPED, "the database has no schema authjs"),
            "golden schema": (drill.SKIPPED, "the database has no history of the migrations of this project"),
        }
    cluster.drop(database.name)

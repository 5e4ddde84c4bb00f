"""Super administrators: a flag that nobody can give themselves, which opens every row, and whose use is logged."""

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, add_recording, refused, row

ROOT = "00000000-0000-7000-8000-0000000000aa"
# Every table that people reach, with a row in it that isn't the super administrator's.
READ = (
    "public.users",
    "public.projects",
    "public.collaborators",
    "public.project_components",
    "public.audio_recordings",
    "public.prompt_generations",
    "storage.objects",
    "analytics.user_activity",
    "analytics.api_usage",
    "analytics.error_logs",
    "analytics.performance_metrics",
)
WRITES = {
    "rename somebody": "update public.users set display_name = 'x' where id = %(ada)s",
    "make a project for somebody": "insert into public.projects (owner_id, title) values (%(ada)s, 'x')",
    "rename a project": "update public.projects set title = 'x' where id = %(project)s",
    "delete a project": "delete from public.projects where id = %(project)s",
    "make an admin": (
        "insert into public.collaborators (project_id, user_id, role) values (%(project)s, %(root)s, 'admin')"
    ),
    "change a role": "update public.collaborators set role = 'admin' where project_id = %(project)s",
    "remove a member": "delete from public.collaborators where project_id = %(project)s",
    "add a component": ("insert into public.project_components (project_id, kind) values (%(project)s, 'text')"),
    "move a component": "update public.project_components set x = 1 where project_id = %(project)s",
    "delete a component": "delete from public.project_components where project_id = %(project)s",
    "correct a transcript": "update public.audio_recordings set transcript = 'x' where project_id = %(project)s",
    "delete a recording": "delete from public.audio_recordings where project_id = %(project)s",
    "ask for a generation": (
        "insert into public.prompt_generations (project_id, prompt, provider, model) "
        "values (%(project)s, 'p', 'x', 'm')"
    ),
    "cancel a generation": ("update public.prompt_generations set status = 'cancelled' where project_id = %(project)s"),
    "delete a generation": "delete from public.prompt_generations where project_id = %(project)s",
    "upload a file for somebody": (
        "insert into storage.objects (bucket_id, name) values ('avatars', %(ada)s || '/new.ogg')"
    ),
    "move a file": "update storage.objects set bucket_id = 'avatars', name = 'elsewhere'",
    "delete a file": "delete from storage.objects",
}


@pytest.fixture
def world(people):
    """Ada's private project with all that hangs on it, one row of each analytics table, and the super administrator."""
    people.execute("insert into next_auth.users (id, name) values (%s, 'Root')", (ROOT,))
    people.execute("update public.users set is_super_admin = true where id = %s", (ROOT,))
    project = private(people)
    people.execute(
        "insert into public.collaborators (project_id, user_id, accepted_at) values (%s, %s, now())", (project, BOB)
    )
    people.execute("insert into public.project_components (project_id, kind) values (%s, 'text')", (project,))
    add_recording(people, project)
    people.execute("insert into storage.buckets (id, name) values ('avatars', 'avatars')")
    people.execute(
        "insert into public.prompt_generations (project_id, prompt, provider, model) values (%s, 'p', 'x', 'm')",
        (project,),
    )
    people.execute("update private.object_scans set status = 'clean', scanned_at = now()")
    people.execute("insert into analytics.user_activity (user_id, action) values (%s, 'x')", (ADA,))
    people.execute("insert into analytics.api_usage (user_id, provider, model) values (%s, 'x', 'm')", (ADA,))
    people.execute("insert into analytics.api_usage (user_id, provider, model) values (null, 'x', 'gone')")
    people.execute("insert into analytics.error_logs (source, message, fingerprint) values ('x', 'x', 'x')")
    people.execute("insert into analytics.performance_metrics (name, value) values ('x', 1)")
    return people


def private(connection: Connection) -> str:
    """Ada's private project."""
    return str(row(connection, "select id from public.projects where owner_id = %s and title = 'private'", (ADA,))[0])


def asking(connection: Connection, who: str, **claims: object):
    """A session as this person, with more claims than PostgREST would need."""
    return acting_as(connection, "authenticated", {"sub": who, "role": "authenticated", **claims})


def heard(session: Connection) -> list[str]:
    """What the server's log gets from now on; a notice here is a line there."""
    said: list[str] = []
    session.execute("set local client_min_messages = 'log'")
    session.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    return said


@pytest.mark.parametrize("table", READ)
def test_a_super_administrator_reads_every_row_and_another_person_does_not(world, table):
    count = f"select count(*) from {table}"
    (all_of_them,) = row(world, count)
    assert all_of_them > 0, "there is nothing to be seen"
    with asking(world, ROOT) as session:
        assert row(session, count) == (all_of_them,)
    nobody = "00000000-0000-7000-8000-0000000000ab"
    with asking(world, nobody) as session:
        public = {"public.projects": 2}
        assert row(session, count) == (public.get(table, 0),)


@pytest.mark.parametrize("action", WRITES)
def test_a_super_administrator_writes_every_row_and_another_person_does_not(world, action):
    values = {"project": private(world), "ada": ADA, "root": ROOT}
    stranger = "00000000-0000-7000-8000-0000000000ac"
    world.execute("insert into next_auth.users (id, name) values (%s, 'Stranger')", (stranger,))
    with asking(world, ROOT) as session:
        session.execute("set local storage.allow_delete_query = 'true'")
        assert session.execute(WRITES[action].encode(), values).rowcount == 1
    with asking(world, stranger) as session:
        session.execute("set local storage.allow_delete_query = 'true'")
        if WRITES[action].startswith("insert"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), session.transaction():
                session.execute(WRITES[action].encode(), values)
        else:
            assert session.execute(WRITES[action].encode(), values).rowcount == 0


def test_functions_know_a_super_administrator_too(world):
    project = private(world)
    with asking(world, ROOT) as session:
        members = session.execute("select role from public.project_members(%s)", (project,)).fetchall()
        assert sorted(members) == [("owner",), ("viewer",)]
        found = session.execute("select id from public.search_projects('private', 100)").fetchall()
        assert len(found) == 2
        session.execute("select public.transfer_project(%s, %s)", (project, BOB))
        owner = "select owner_id::text from public.projects where id = %s"
        assert row(session, owner, (project,)) == (BOB,)
        kept = "select role from public.collaborators where project_id = %s and user_id = %s"
        assert row(session, kept, (project, ADA)) == ("admin",), "the old owner stays, not who handed it over"


@pytest.mark.parametrize(
    "statement",
    [
        "update public.users set is_super_admin = true",
        f"update public.users set is_super_admin = true where id = '{ADA}'",
        f"insert into public.users (id, is_super_admin) values ('{ADA}', true)",
        f"insert into public.users (id, is_super_admin) values ('{ADA}', true) "
        "on conflict (id) do update set is_super_admin = true",
        f"insert into public.users (id) values ('{ADA}') on conflict (id) do update set is_super_admin = true",
        f"merge into public.users as u using (select 1) as x on u.id = '{ADA}' "
        "when matched then update set is_super_admin = true",
        "select private.is_super_admin()",
    ],
)
def test_nobody_gives_themselves_the_flag(world, statement):
    for who in (ADA, ROOT):
        with asking(world, who) as session:
            refused(session, psycopg.errors.InsufficientPrivilege, statement)


def test_servers_give_and_take_the_flag(world):
    with acting_as(world, "service_role") as session:
        change = "update public.users set is_super_admin = true where id = %s"
        assert session.execute(change, (ADA,)).rowcount == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"is_super_admin": True},
        {"app_metadata": {"is_super_admin": True, "roles": ["super_admin"]}},
        {"user_metadata": {"is_super_admin": True}},
        {"role": "service_role"},
        {"email": "root@example.org"},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_no_claim_makes_a_super_administrator(world, claims):
    with asking(world, ADA, **claims) as session:
        assert row(session, "select count(*) from analytics.error_logs") == (0,)
        assert row(session, "select count(*) from public.users") == (1,)


def test_a_profile_that_is_made_at_sign_up_has_no_flag(world):
    world.execute("insert into next_auth.users (id, name) values (gen_random_uuid(), 'is_super_admin')")
    assert row(world, "select count(*) from public.users where is_super_admin") == (1,)


def test_each_use_is_reported_once_a_statement_also_where_nothing_can_be_written(world):
    with asking(world, ROOT) as session:
        session.execute("set local transaction_read_only = on")
        said = heard(session)
        for _ in range(2):
            session.execute(
                "select count(*) from public.projects as p join public.project_components as c on c.project_id = p.id"
            )
        assert said == [f"super administrator {ROOT} uses their right"] * 2


def test_nothing_is_reported_of_anybody_else(world):
    with asking(world, ADA) as session:
        said = heard(session)
        session.execute("select count(*) from public.projects")
        session.execute("select count(*) from analytics.error_logs")
        assert said == []


def test_whoever_sets_the_servers_note_beforehand_silences_nothing(world):
    with asking(world, ROOT) as session:
        said = heard(session)
        session.execute("set local app.super_administrator = 'told'")
        session.execute("select count(*) from public.users")
        assert len(said) == 1

"""Who may do what in a project, by relation: owner, admin, editor, viewer, not yet accepted, stranger, visitor.

The whole access matrix is generated elsewhere; here are the rules that the tables' own policies stand for.
"""

import json

import psycopg
import pytest

from tests.sql.provision import ADA, Connection, acting_as, add_file, add_recording, code, refused, row

PEOPLE = {
    "owner": ADA,
    **{
        name: f"00000000-0000-7000-8000-0000000001{number:02}"
        for number, name in enumerate(("admin", "editor", "viewer", "invited", "stranger"), start=1)
    },
}
MEMBERS = ("owner", "admin", "editor", "viewer")
EVERYBODY = (*PEOPLE, "visitor")
CONTENT = ("project_components", "audio_recordings", "prompt_generations")


@pytest.fixture
def team(people):
    """A shared and a public project of Ada's, each with a team and one of each kind of content."""
    for name, person in PEOPLE.items():
        if name != "owner":
            people.execute(
                'insert into next_auth.users (id, name, email, "emailVerified") values (%s, %s, %s, now())',
                (person, name, f"{name}@example.org"),
            )
    for title in ("private", "public"):
        (project,) = row(people, "select id from public.projects where owner_id = %s and title = %s", (ADA, title))
        for name in ("admin", "editor", "viewer", "invited"):
            people.execute(
                "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, %s, %s)",
                (project, PEOPLE[name], name if name != "invited" else "editor", None if name == "invited" else "now"),
            )
        people.execute("insert into public.project_components (project_id, kind) values (%s, 'text')", (project,))
        add_recording(people, project, transcript="spoken words")
        add_file(people, f"{project}/new.ogg")
        people.execute(
            "insert into public.prompt_generations (project_id, prompt, provider, model) values (%s, 'p', 'x', 'm')",
            (project,),
        )
    return people


def asking(connection: Connection, who: str):
    """A session as this person, or as nobody."""
    role = "anon" if who == "visitor" else "authenticated"
    claims = {"role": role} | ({"sub": PEOPLE[who]} if who in PEOPLE else {})
    return acting_as(connection, role, claims)


def project(connection: Connection, title: str) -> str:
    """The id of Ada's project with this title."""
    return str(row(connection, "select id from public.projects where owner_id = %s and title = %s", (ADA, title))[0])


@pytest.mark.parametrize("who", EVERYBODY)
def test_a_shared_project_is_seen_by_its_members_with_all_its_content(team, who):
    shared = project(team, "private")
    for table in ("projects", *(CONTENT if who != "visitor" else CONTENT[:1])):
        column = "id" if table == "projects" else "project_id"
        count = f"select count(*) from public.{table} where {column} = %s"
        with asking(team, who) as session:
            assert row(session, count, (shared,)) == (int(who in MEMBERS),), table
        assert row(team, count, (shared,)) == (1,), f"{table}: there was nothing to be hidden"


@pytest.mark.parametrize("who", EVERYBODY)
def test_of_a_public_project_everybody_sees_the_components_and_only_members_the_rest(team, who):
    public = project(team, "public")
    for table in ("project_components", *(CONTENT[1:] if who != "visitor" else ())):
        count = f"select count(*) from public.{table} where project_id = %s"
        with asking(team, who) as session:
            assert row(session, count, (public,)) == (int(table == "project_components" or who in MEMBERS),), table
    if who == "visitor":
        with asking(team, who) as session:
            for table in CONTENT[1:]:
                refused(session, psycopg.errors.InsufficientPrivilege, f"select from public.{table}")


WRITES = {
    "add a component": "insert into public.project_components (project_id, kind) values (%(p)s, 'text')",
    "add a recording": (
        "insert into public.audio_recordings (project_id, object_path) values (%(p)s::uuid, %(p)s::uuid || '/new.ogg')"
    ),
    "ask for a generation": (
        "insert into public.prompt_generations (project_id, prompt, provider, model) values (%(p)s, 'p', 'x', 'm')"
    ),
    "invite a viewer": "insert into public.collaborators (project_id, email) values (%(p)s, 'new@example.org')",
    "invite an admin": "insert into public.collaborators (project_id, email, role) values (%(p)s, 'n@e.org', 'admin')",
}
CHANGES = {
    "move a component": "update public.project_components set x = 1 where project_id = %(p)s",
    "delete a component": "delete from public.project_components where project_id = %(p)s",
    "correct a transcript": "update public.audio_recordings set transcript = 'x' where project_id = %(p)s",
    "delete a recording": "delete from public.audio_recordings where project_id = %(p)s",
    "cancel a generation": ("update public.prompt_generations set status = 'cancelled' where project_id = %(p)s"),
    "delete a generation": "delete from public.prompt_generations where project_id = %(p)s",
    "rename the project": "update public.projects set title = 'x' where id = %(p)s",
    "delete the project": "delete from public.projects where id = %(p)s",
    "promote the viewer": (
        "update public.collaborators set role = 'editor' where project_id = %(p)s and role = 'viewer'"
    ),
    "remove the viewer": "delete from public.collaborators where project_id = %(p)s and role = 'viewer'",
    "remove the admin": "delete from public.collaborators where project_id = %(p)s and role = 'admin'",
}
EDITORS, MANAGERS = {"owner", "admin", "editor"}, {"owner", "admin"}
ALLOWED = {
    "invite a viewer": MANAGERS,
    "invite an admin": {"owner"},
    "rename the project": {"owner"},
    "delete the project": {"owner"},
    "promote the viewer": MANAGERS,
    # Everybody may leave.
    "remove the viewer": MANAGERS | {"viewer"},
    "remove the admin": MANAGERS,
}


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("title", ["private", "public"])
def test_writing_follows_the_role(team, who, title):
    values = {"p": project(team, title), "me": PEOPLE.get(who, "x")}
    for action, statement in WRITES.items():
        with asking(team, who) as session:
            if who in ALLOWED.get(action, EDITORS):
                assert session.execute(statement.encode(), values).rowcount == 1, action
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege), session.transaction():
                    session.execute(statement.encode(), values)
    for action, statement in CHANGES.items():
        with asking(team, who) as session:
            if who == "visitor":
                with pytest.raises(psycopg.errors.InsufficientPrivilege), session.transaction():
                    session.execute(statement.encode(), values)
            else:
                expected = int(who in ALLOWED.get(action, EDITORS))
                assert session.execute(statement.encode(), values).rowcount == expected, action


@pytest.mark.parametrize(
    "statement",
    [
        "update public.prompt_generations set cost = 0",
        "update public.prompt_generations set response = 'x'",
        "update public.audio_recordings set scan_status = 'clean'",
        "update public.audio_recordings set object_path = 'x'",
        "update public.collaborators set accepted_at = now()",
        "update public.collaborators set user_id = invited_by",
        "update public.project_components set project_id = id",
        "insert into public.prompt_generations (project_id, prompt, provider, model, cost) select id, 'p', 'x', 'm', 1 "
        "from public.projects",
        "insert into analytics.api_usage (provider, model) values ('x', 'm')",
        "insert into analytics.error_logs (source, message, fingerprint) values ('x', 'x', 'x')",
        "delete from analytics.performance_metrics",
        "select * from analytics.usage_overview",
        "select * from analytics.project_totals",
        "select * from analytics.user_activity_default",
        "select * from private.deletion_queue",
        "insert into public.prompt_generations (project_id, prompt, provider, model, estimated_tokens, estimated_cost) "
        "select id, 'p', 'x', 'm', 0, 0 from public.projects",
        "insert into public.prompt_generations (project_id, created_by, prompt, provider, model) "
        "select project_id, user_id, 'p', 'x', 'm' from public.collaborators where user_id is not null",
        "update private.budget_limits set hard_cost = 99999999",
        "delete from private.budget_reservations",
        "select private.add_to_budget(auth.uid(), now(), -1000000, -1000)",
        "select public.record_generation(id, 'k', response => 'r') from public.prompt_generations",
        "select public.take_deletions(1)",
        "select ops.refresh_summaries()",
    ],
)
def test_what_no_person_may_do_even_as_owner(team, statement):
    with asking(team, "owner") as session:
        refused(session, psycopg.errors.InsufficientPrivilege, statement)


def test_a_recording_names_only_a_file_of_its_own_project(team):
    # The file is deleted with the row: naming another project's file would be a way to delete it.
    with asking(team, "editor") as session:
        insert = "insert into public.audio_recordings (project_id, object_path) values (%s, %s)"
        for file in ("new.ogg", "not-there.ogg"):
            path = f"{project(team, 'public')}/{file}"
            message = refused(session, psycopg.errors.CheckViolation, insert, project(team, "private"), path)
            assert "is not in the folder of its project" in message, "whether it is there or not"


def test_an_invitation_gives_nothing_until_it_is_accepted_by_the_right_person(team):
    shared = project(team, "private")
    with asking(team, "owner") as session:
        (by_address,) = row(
            session,
            "insert into public.collaborators (project_id, email, role) values (%s, 'Stranger@Example.org', 'viewer') "
            "returning id",
            (shared,),
        )
        sees = "select count(*) from public.projects where id = %s"
        for who, accepts in (("viewer", False), ("stranger", True)):
            claims = json.dumps({"role": "authenticated", "sub": PEOPLE[who]})
            session.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
            if not accepts:
                assert code(session, "select public.accept_invitation(%s)", by_address) == "PT404"
                continue
            assert row(session, sees, (shared,)) == (0,)
            assert row(session, "select id from public.my_invitations()") == (by_address,)
            assert str(row(session, "select public.accept_invitation(%s)", (by_address,))[0]) == shared
            assert row(session, sees, (shared,)) == (1,)
            assert code(session, "select public.accept_invitation(%s)", by_address) == "PT404"


def test_an_address_that_was_never_proved_accepts_nothing(team):
    shared = project(team, "private")
    insert = "insert into public.collaborators (project_id, email) values (%s, 'stranger@example.org') returning id"
    (invitation,) = row(team, insert, (shared,))
    team.execute('update next_auth.users set "emailVerified" = null where id = %s', (PEOPLE["stranger"],))
    with asking(team, "stranger") as session:
        assert code(session, "select public.accept_invitation(%s)", invitation) == "PT404"
        assert session.execute("select * from public.my_invitations()").fetchall() == []


def test_a_project_is_shared_from_the_first_invitation_and_cannot_be_private_with_others_in_it(team):
    shared = project(team, "private")
    assert row(team, "select visibility from public.projects where id = %s", (shared,)) == ("shared",)
    hide = "update public.projects set visibility = 'private' where id = %s"
    assert "collaborators" in refused(team, psycopg.errors.CheckViolation, hide, shared)
    team.execute("delete from public.collaborators where project_id = %s", (shared,))
    assert team.execute(hide.encode(), (shared,)).rowcount == 1


def test_the_owner_cannot_be_their_own_collaborator(team):
    insert = "insert into public.collaborators (project_id, user_id) values (%s, %s)"
    refused(team, psycopg.errors.CheckViolation, insert, project(team, "private"), ADA)


def test_a_project_is_handed_over_to_a_collaborator_and_to_nobody_else(team):
    shared = project(team, "private")
    hand = "select public.transfer_project(%s, %s)"
    for who in ("admin", "stranger"):
        with asking(team, who) as session:
            assert code(session, hand, shared, PEOPLE[who]) == "PT404"
    for to in ("stranger", "invited"):
        with asking(team, "owner") as session:
            refused(session, psycopg.errors.CheckViolation, hand, shared, PEOPLE[to])
    with asking(team, "owner") as session:
        session.execute(hand.encode(), (shared, PEOPLE["editor"]))
        members = session.execute("select display_name, role from public.project_members(%s)", (shared,)).fetchall()
        assert {("editor", "owner"), ("Ada", "admin"), ("viewer", "viewer")} <= set(members)
        assert session.execute("delete from public.projects where id = %s", (shared,)).rowcount == 0


@pytest.mark.parametrize("who", EVERYBODY)
def test_search_finds_exactly_what_the_row_policy_shows(team, who):
    words = ("private", "public", "archived", "nothing")
    team.execute("insert into public.projects (owner_id, title) values (%s, 'private too')", (PEOPLE["stranger"],))
    for word in words:
        with asking(team, who) as session:
            policy = session.execute(
                "select id from public.projects where to_tsvector('pg_catalog.simple', title) "
                "@@ plainto_tsquery('pg_catalog.simple', %s)",
                (word,),
            ).fetchall()
            function = session.execute("select id from public.search_projects(%s, 100)", (word,)).fetchall()
            assert sorted(policy) == sorted(function), word
    with asking(team, who) as session:
        assert len(session.execute("select id from public.search_projects('public')").fetchall()) == 2


def test_recordings_are_searched_under_the_row_policy(team):
    for who, count in (("viewer", 2), ("stranger", 0)):
        with asking(team, who) as session:
            assert len(session.execute("select id from public.search_recordings('spoken')").fetchall()) == count


def test_search_results_come_a_page_at_a_time_without_gap_or_repetition(team):
    team.execute(
        "insert into public.projects (owner_id, title) select %s, 'many ' || repeat('many ', n %% 3) "
        "from generate_series(1, 25) as n",
        (ADA,),
    )
    found, last = [], (None, None)
    with asking(team, "owner") as session:
        while page := session.execute(
            "select id, rank from public.search_projects('many', 10, %s::real, %s)", (last[1], last[0])
        ).fetchall():
            found += page
            last = page[-1]
    assert len(found) == len(set(found)) == 25

"""Super administrators and the audit trail: what they do is recorded where others' work is not, and they read it."""

import pytest

from tests.sql.provision import ADA, BOB, acting_as, row
from tests.sql.trail import SIGNED_IN, entries, findings, project_of

INSERT = "insert into public.project_components (project_id, kind) values (%s, 'text') returning id::text"


@pytest.fixture
def supervised(people):
    """Ada is a super administrator, made so by a server."""
    with people.transaction():
        people.execute("set local role service_role")
        people.execute("update public.users set is_super_admin = true where id = %s", (ADA,))
        people.execute("reset role")
    return people


def test_who_is_made_a_super_administrator_is_recorded(supervised):
    found = entries(supervised, "public.users", "operation, row_id, old, new, role, super_admin")[-1]
    assert found == ("update", ADA, {"is_super_admin": False}, {"is_super_admin": True}, "service_role", False)


@pytest.mark.parametrize(("person", "administrator"), [(ADA, True), (BOB, False)])
def test_an_entry_says_whether_the_person_was_a_super_administrator(supervised, person, administrator):
    project = project_of(supervised, person)
    with acting_as(supervised, "authenticated", SIGNED_IN | {"sub": person}) as session:
        session.execute("update public.projects set title = 'x' where id = %s", (project,))
        session.execute("reset role")
        found = entries(session, "public.projects", "actor, row_id, super_admin")[-1]
        assert found == (person, project, administrator)
        assert findings(session) == []


@pytest.mark.parametrize(("person", "operations"), [(ADA, ["insert", "update", "delete"]), (BOB, [])])
def test_components_are_recorded_when_a_super_administrator_changes_them(supervised, person, operations):
    project = project_of(supervised, person)
    with acting_as(supervised, "authenticated", SIGNED_IN | {"sub": person}) as session:
        (component,) = row(session, INSERT, (project,))
        change = 'update public.project_components set x = 5, properties = \'{"text": "long"}\', revision = revision'
        assert session.execute(change).rowcount
        session.execute("delete from public.projects where id = %s", (project,))
        session.execute("reset role")
        found = entries(session, "public.project_components", "operation, row_id, old, new, withheld, super_admin")
        assert [entry[0] for entry in found] == operations
        if operations:
            assert found[1] == ("update", component, {"x": 0}, {"x": 5}, "properties", True)
        assert findings(session) == []


def test_what_a_super_administrator_generates_is_recorded_without_its_text(supervised):
    ask = (
        "insert into public.prompt_generations (project_id, prompt, provider, model) values (%s, 'my words', 'x', 'm')"
    )
    for person in (ADA, BOB):
        project = project_of(supervised, person)
        with acting_as(supervised, "authenticated", SIGNED_IN | {"sub": person}) as session:
            session.execute(ask.encode(), (project,))
            session.execute("update public.prompt_generations set status = 'cancelled'")
            session.execute("reset role")
            found = entries(session, "public.prompt_generations", "operation, new ->> 'status'")
            assert found == ([("insert", "pending"), ("update", "cancelled")] if person == ADA else [])
            assert row(session, "select count(*) from audit.log as l where l::text like '%%my words%%'") == (0,)


def test_a_truncate_is_recorded_whoever_does_it(people):
    people.execute("truncate public.project_components")
    assert entries(people, "public.project_components", "operation, row_id") == [("truncate", None)]


def test_super_administrators_read_the_log_and_nobody_else_does(supervised):
    (there,) = row(supervised, "select count(*) from audit.log")
    assert there > 5
    for person, seen in ((ADA, there), (BOB, 0)):
        with acting_as(supervised, "authenticated", SIGNED_IN | {"sub": person}) as session:
            assert row(session, "select count(*) from audit.log") == (seen,)


def test_a_person_cannot_make_themselves_one_by_a_claim(people):
    claims = SIGNED_IN | {"sub": BOB, "is_super_admin": True, "app_metadata": {"is_super_admin": True}}
    with acting_as(people, "authenticated", claims) as session:
        assert row(session, "select count(*) from audit.log") == (0,)

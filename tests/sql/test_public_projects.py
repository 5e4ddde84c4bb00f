"""public.projects: who may do what with it, what it refuses, and that its lists are read by index."""

import json

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, refused, row

SIGNED_IN = {"sub": ADA, "role": "authenticated"}
BOBS_PRIVATE = "owner_id = %s and title = 'private'"


def titles(session: Connection) -> list[tuple[str, str]]:
    """Owner and title of all that the session can see."""
    owners = {ADA: "ada", BOB: "bob"}
    found = session.execute("select owner_id::text, title from public.projects").fetchall()
    return sorted((owners[owner], title) for owner, title in found)


def exists(superuser: Connection, condition: str, *values) -> bool:
    """Whether the row is there for somebody who sees everything."""
    return superuser.execute(f"select 1 from public.projects where {condition}".encode(), values).fetchone() is not None


def test_an_owner_sees_their_own_and_what_is_public_and_in_use(people):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        assert titles(session) == [("ada", "archived"), ("ada", "private"), ("ada", "public"), ("bob", "public")]
    assert exists(people, BOBS_PRIVATE, BOB)
    assert exists(people, "owner_id = %s and title = 'archived'", BOB)


def test_a_visitor_sees_only_what_is_public_and_in_use(people):
    with acting_as(people, "anon", {"role": "anon"}) as session:
        assert titles(session) == [("ada", "public"), ("bob", "public")]
    assert exists(people, BOBS_PRIVATE, BOB)


def test_a_shared_project_is_invisible_to_strangers(people):
    people.execute("insert into public.projects (owner_id, title, visibility) values (%s, 'shared', 'shared')", (BOB,))
    for role in ("anon", "authenticated"):
        with acting_as(people, role, SIGNED_IN) as session:
            assert ("bob", "shared") not in titles(session)
    assert exists(people, "title = 'shared'")


def test_a_token_without_subject_sees_what_a_visitor_sees(people):
    with acting_as(people, "authenticated", {"role": "authenticated"}) as session:
        assert titles(session) == [("ada", "public"), ("bob", "public")]


def test_a_person_makes_a_project_in_their_own_name(people):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        insert = "insert into public.projects (owner_id, title) values (%s, 'new') returning visibility, updated_at"
        assert row(session, insert, (ADA,))[0] == "private"


@pytest.mark.parametrize("owner", [BOB, None])
def test_a_person_makes_no_project_in_another_name(people, owner):
    insert = "insert into public.projects (owner_id, title) values (%s, 'forged')"
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, insert, owner)
    if owner:
        people.execute(insert.encode(), (owner,))
        assert exists(people, "title = 'forged'"), "it was refused for another reason than who asked"


def test_a_visitor_makes_changes_and_deletes_nothing(people):
    with acting_as(people, "anon", {"role": "anon"}) as session:
        for statement in (
            f"insert into public.projects (owner_id, title) values ('{ADA}', 'x')",
            "update public.projects set title = 'x'",
            "delete from public.projects",
        ):
            refused(session, psycopg.errors.InsufficientPrivilege, statement)
    assert exists(people, "title = 'public'")


def test_changes_and_deletes_reach_only_ones_own_even_where_more_is_visible(people):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        assert session.execute("update public.projects set description = 'mine'").rowcount == 3
        assert session.execute("delete from public.projects").rowcount == 3
        assert titles(session) == [("bob", "public")]


def test_a_project_cannot_be_given_away(people):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        give = "update public.projects set owner_id = %s"
        refused(session, psycopg.errors.InsufficientPrivilege, give, BOB)
    # The grant leaves the column out; the policy holds by itself too.
    people.execute("grant update (owner_id) on public.projects to authenticated")
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        assert "row-level security" in refused(session, psycopg.errors.InsufficientPrivilege, give, BOB)


@pytest.mark.parametrize("column", ["id", "created_at", "updated_at"])
def test_what_the_database_decides_cannot_be_written_by_people(people, column):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, f"update public.projects set {column} = default")


def test_service_role_sees_and_changes_everything(people):
    with acting_as(people, "service_role", {"role": "service_role"}) as session:
        assert len(titles(session)) == 6
        assert session.execute("update public.projects set title = title || '!'").rowcount == 6
        session.execute("insert into public.projects (owner_id, title) values (%s, 'by service')", (BOB,))


@pytest.mark.parametrize("role", ["authjs", "monitor", "authenticator", "supabase_storage_admin"])
def test_other_logins_have_no_access_at_all(people, role):
    with acting_as(people, role, SIGNED_IN) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, "select * from public.projects")


def test_the_owner_role_is_bound_by_row_security_too(people):
    with acting_as(people, "app_owner") as session:
        assert session.execute("select count(*) from public.projects").fetchone() == (6,), "search reads as it"
        assert session.execute("delete from public.projects").rowcount == 0
        insert = "insert into public.projects (owner_id, title) values (%s, 'forged')"
        refused(session, psycopg.errors.InsufficientPrivilege, insert, ADA)
    assert exists(people, "title = 'public'")


def test_a_migration_that_moves_data_fails_loudly_unless_it_takes_force_off(people):
    change = "delete from public.projects"
    with acting_as(people, "app_owner") as session:
        assert session.execute(change.encode()).rowcount == 0, "the silence that the setting below is there for"
        session.execute("set local row_security = off")
        refused(session, psycopg.errors.InsufficientPrivilege, change)
        session.execute("alter table public.projects no force row level security")
        assert session.execute(change.encode()).rowcount == 6
        session.execute("alter table public.projects force row level security")


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("title", "", "projects_title_check"),
        ("title", "   ", "projects_title_check"),
        ("title", "x" * 201, "projects_title_check"),
        ("description", "x" * 10_001, "projects_description_check"),
        ("visibility", "secret", "projects_visibility_check"),
        ("settings", "[]", "projects_settings_check"),
        ("settings", "null", "projects_settings_check"),
        ("settings", json.dumps({"x": "y" * 65_536}), "projects_settings_check"),
    ],
)
def test_values_out_of_range_are_refused_by_the_named_check(people, column, value, constraint):
    message = refused(people, psycopg.errors.CheckViolation, f"update public.projects set {column} = %s", value)
    assert constraint in message


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("title", "x" * 200),
        ("title", "字" * 200),
        ("settings", json.dumps({"x": "y" * 65_000})),
        ("visibility", "shared"),
    ],
)
def test_values_at_the_limit_are_taken(people, column, value):
    assert people.execute(f"update public.projects set {column} = %s".encode(), (value,)).rowcount == 6


def test_a_change_is_dated_whatever_the_client_says(people):
    people.execute("update public.projects set updated_at = '2001-01-01'")
    assert not exists(people, "updated_at < now() - interval '1 hour'")
    (late,) = people.execute("select bool_and(updated_at >= created_at) from public.projects").fetchone()
    assert late


QUERIES = {
    "a person's first page": ("authenticated", "where owner_id = '{me}' order by updated_at desc limit 20"),
    "a person's next page": (
        "authenticated",
        "where owner_id = '{me}' and updated_at < now() - interval '5 minutes' order by updated_at desc limit 20",
    ),
    "all that a person sees": ("authenticated", ""),
    "one by its id": ("authenticated", "where id = '{id}'"),
    "the gallery for a person": (
        "authenticated",
        "where visibility = 'public' and archived_at is null order by updated_at desc, id desc limit 20",
    ),
    "the gallery for a visitor": ("anon", "order by updated_at desc, id desc limit 20"),
    "the gallery's next page": (
        "anon",
        "where (updated_at, id) < (now() - interval '5 minutes', '{id}') order by updated_at desc, id desc limit 20",
    ),
}


def test_no_list_reads_the_whole_table_and_no_page_sorts_it(people):
    people.execute("insert into next_auth.users (name) select 'n' || n from generate_series(1, 250) as n")
    people.execute(
        "insert into public.projects (owner_id, title, visibility, updated_at) "
        "select u.id, 't', case when n <= 4 then 'public' else 'private' end, now() - n * interval '1 minute' "
        "from public.users as u, generate_series(1, case u.id when %s then 800 else 20 end) as n",
        (ADA,),
    )
    people.execute("analyze public.projects")
    (project,) = row(people, "select id::text from public.projects where owner_id = %s and title = 'private'", (ADA,))
    for purpose, (role, rest) in QUERIES.items():
        with acting_as(people, role, {**SIGNED_IN, "role": role}) as session:
            explain = "explain (format json) select id, title from public.projects " + rest.format(me=ADA, id=project)
            plan = json.dumps(session.execute(explain.encode()).fetchone())
        assert "Seq Scan" not in plan, f"{purpose}: {plan}"
        assert "Index" in plan, f"{purpose}: {plan}"
        assert "order by" not in rest or "Sort" not in plan, f"{purpose} sorts all before it takes a page: {plan}"

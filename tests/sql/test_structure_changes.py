"""Who has changed an object manually is found among what the database has recorded, on a real one."""

from datetime import UTC, datetime

import psycopg
import pytest

from ops.review import authors
from ops.review.authors import Change

CHANGES = """
create policy stray on public.projects for select to authenticated using (true);
grant delete on public.projects to anon; select 'never-shown';
alter table public.projects add column odd text;
create index strayi on public.projects (title);
alter policy projects_update_own on public.projects using (true);
alter table public.users add column odd text;
drop policy projects_delete_own on public.projects;
revoke select on public.projects from authenticated
"""


@pytest.fixture
def changed(provisioned: psycopg.Connection) -> list[Change]:
    before = datetime.now(UTC)
    provisioned.execute("set application_name = 'psql'")
    for statement in CHANGES.split("\n"):
        provisioned.execute(statement)
    provisioned.execute("set application_name = 'visual-prompt-builder/pg'")
    provisioned.execute("create index ours on public.projects (title)")
    return authors.recorded(provisioned, before)


def test_each_command_is_recorded_with_login_and_application_and_without_constants(changed: list[Change]) -> None:
    assert [(each.command, each.described) for each in changed] == [
        ("CREATE POLICY", "policy stray on public.projects"),
        ("GRANT", "table grant delete on public.projects to anon"),
        ("ALTER TABLE", "table public.projects"),
        ("CREATE INDEX", "index public.strayi"),
        ("ALTER POLICY", "policy projects_update_own on public.projects"),
        ("ALTER TABLE", "table public.users"),
        ("DROP POLICY", "policy projects_delete_own on public.projects"),
        ("REVOKE", "table revoke select on public.projects from authenticated"),
    ]
    assert {each.application for each in changed} == {"psql"}
    assert {each.login for each in changed} == {"postgres"}
    assert "never-shown" not in repr(changed)


@pytest.mark.parametrize(
    ("said", "command", "object"),
    [
        ("table public.projects: column odd was added manually: text", "ALTER TABLE", "public.projects"),
        ("table public.users: column odd was added manually: text", "ALTER TABLE", "public.users"),
        ("table public.projects: index strayi was added manually: CREATE INDEX …", "CREATE INDEX", "public.strayi"),
        ("row security of public.projects: manually, [stray] was added", "CREATE POLICY", "stray on public.projects"),
        (
            "policy projects_update_own on public.projects: using was changed manually from 'a' to 'true'",
            "ALTER POLICY",
            "projects_update_own on public.projects",
        ),
        (
            "policy projects_delete_own on public.projects is gone from the server",
            "DROP POLICY",
            "projects_delete_own on public.projects",
        ),
        (
            "grants on table public.projects: manually, [delete to anon] was granted",
            "GRANT",
            "grant delete on public.projects to anon",
        ),
        (
            "grants on table public.projects: manually, [select to authenticated] was revoked",
            "REVOKE",
            "revoke select on public.projects from authenticated",
        ),
    ],
)
def test_a_difference_finds_the_command_that_it_is_of(
    changed: list[Change], said: str, command: str, object: str
) -> None:
    assert [(each.command, each.object) for each in authors.of(said, changed)] == [(command, object)]


def test_what_no_command_has_to_do_with_has_no_author(changed: list[Change]) -> None:
    assert authors.of("function public.my_budget() was changed manually from a to b", changed) == []
    assert authors.of("table public.collaborators: column role was changed manually", changed) == []
    assert authors.of("anything", []) == []


@pytest.mark.parametrize(
    "said",
    [
        "role anon: createdb was changed manually from False to True",
        "memberships of role anon: manually, [monitor] was granted",
        "bucket projects: public was changed manually from False to True",
    ],
)
def test_what_no_event_trigger_fires_for_has_no_author(changed: list[Change], said: str) -> None:
    assert authors.of(said, changed) == []


def test_what_up_has_put_back_since_is_no_author_of_what_came_later(provisioned: psycopg.Connection) -> None:
    before = datetime.now(UTC)
    for application, statement in (
        ("first", "grant truncate on public.users to anon; create policy stray on public.users using (true)"),
        ("visual-prompt-builder/pg", 'revoke truncate on table "public"."users" from "anon" cascade'),
        ("visual-prompt-builder/pg", "drop policy stray on public.users"),
        ("second", "grant truncate on public.users to anon; create policy stray on public.users using (true)"),
        ("third", "grant delete on public.users to anon"),
    ):
        provisioned.execute(f"set application_name = '{application}'")
        for each in statement.split(";"):
            provisioned.execute(each)
    found = [(each.application, each.command) for each in authors.recorded(provisioned, before)]
    assert found == [("second", "GRANT"), ("second", "CREATE POLICY"), ("third", "GRANT")]


def test_a_change_is_made_also_where_it_cannot_be_recorded(provisioned: psycopg.Connection) -> None:
    provisioned.execute("alter table private.structure_changes rename to forgotten")
    provisioned.execute("create table public.all_the_same ()")
    assert provisioned.execute("select to_regclass('public.all_the_same') is not null").fetchone() == (True,)


def test_a_login_that_may_read_nothing_is_recorded_too(provisioned: psycopg.Connection) -> None:
    provisioned.execute("create schema theirs authorization authenticated; set role authenticated")
    provisioned.execute("create table theirs.things ()")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), provisioned.transaction():
        provisioned.execute("select * from ops.structure_changes()")
    provisioned.execute("reset role; create temp table passing ()")
    found = [each.object for each in authors.recorded(provisioned) if each.object.startswith(("theirs", "pg_temp"))]
    assert found == ["theirs", "theirs.things"]

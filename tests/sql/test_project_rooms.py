"""The room of a project: who may receive and send what, asked as Realtime asks, and what the database sends there."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from declared.schemas import PUBLISHED
from harness import scratch
from tests.sql.provision import Connection, row

PEOPLE = ("owner", "admin", "editor", "viewer", "invitee", "removed", "stranger", "super", "left")
EXTENSIONS = ("broadcast", "presence")
# Realtime's own statement, as it is sent at a join (00bc6f2 of supabase/realtime), with what authorizes it.
CONFIGURE = (
    "select set_config('role', %s, true), set_config('realtime.topic', %s, true), "
    "set_config('request.jwt.claims', %s, true), set_config('request.headers', '{}', true)"
)
INSERT = "insert into realtime.messages (topic, extension, private) values (%s, %s, true) returning id"
ALL, NONE = {"receive broadcast", "receive presence", "send broadcast", "send presence"}, set()
MEMBER = ALL - {"send broadcast"}
LISTENER = {"receive broadcast"}
# By visibility of the project: what each may.
MAY = {
    "shared": {"owner": ALL, "admin": ALL, "editor": ALL, "super": ALL, "viewer": MEMBER},
    "public": {"owner": ALL, "admin": ALL, "editor": ALL, "super": ALL, "viewer": MEMBER}
    | dict.fromkeys(("invitee", "removed", "stranger"), LISTENER),
}


@pytest.fixture(scope="module")
def room(shared: Connection) -> Iterator[tuple[Connection, dict[str, str], str]]:
    """The superuser, people by name and a project of theirs; a day for messages, which Realtime would make."""
    with shared.transaction(force_rollback=True):
        shared.execute("create table realtime.messages_day partition of realtime.messages default")
        insert = "insert into next_auth.users (name, email) values (%s, %s || '@room.example.org') returning id::text"
        people = {name: str(row(shared, insert, (name, name))[0]) for name in PEOPLE}
        make = (
            "insert into public.projects (owner_id, title, visibility) values (%s, 'room', 'shared') returning id::text"
        )
        (project,) = row(shared, make, (people["owner"],))
        member = "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, %s, %s)"
        for name, role in (("admin", "admin"), ("editor", "editor"), ("viewer", "viewer"), ("removed", "editor")):
            shared.execute(member, (project, people[name], role, "now"))
        shared.execute(member, (project, people["left"], "editor", "now"))
        shared.execute(member, (project, people["invitee"], "editor", None))
        shared.execute("delete from public.collaborators where user_id = %s", (people["removed"],))
        shared.execute("update public.users set is_super_admin = true where id = %s", (people["super"],))
        shared.execute("insert into private.departures (user_id) values (%s)", (people["left"],))
        yield shared, people, str(project)


def may(connection: Connection, role: str, person: str | None, topic: str) -> set[str]:
    """What Realtime finds that somebody may in a topic, by its two transactions, each rolled back."""
    claims = json.dumps({"role": role} | ({"sub": person} if person else {}))
    found: set[str] = set()
    with connection.transaction(force_rollback=True):
        ids = {row(connection, INSERT, (topic, extension))[0]: extension for extension in EXTENSIONS}
        connection.execute(CONFIGURE, (role, topic, claims))
        try:
            query = "select id from realtime.messages where topic = %s and id = any(%s)"
            found |= {f"receive {ids[id]}" for (id,) in connection.execute(query, (topic, [*ids])).fetchall()}
        except psycopg.errors.InsufficientPrivilege:
            assert role == "anon"
    for extension in EXTENSIONS:
        with connection.transaction(force_rollback=True):
            connection.execute(CONFIGURE, (role, topic, claims))
            try:
                with connection.transaction():
                    connection.execute(INSERT, (topic, extension))
            except psycopg.errors.InsufficientPrivilege:
                continue
            found.add(f"send {extension}")
    return found


@pytest.mark.parametrize("visibility", MAY)
@pytest.mark.parametrize("archived", [False, True])
def test_who_may_what_in_a_room_follows_the_project(room: Any, visibility: str, archived: bool) -> None:
    connection, people, project = room
    with connection.transaction(force_rollback=True):
        update = "update public.projects set visibility = %s, archived_at = case when %s then now() end where id = %s"
        connection.execute(update, (visibility, archived, project))
        found = {
            name: may(connection, "authenticated", person, f"project:{project}") for name, person in people.items()
        }
        # What is put away is public no more; its members go on.
        expected = MAY["shared" if archived else visibility]
        assert found == {name: expected.get(name, NONE) for name in PEOPLE}
        assert may(connection, "anon", None, f"project:{project}") == NONE


def test_a_share_that_is_revoked_or_a_project_that_is_deleted_ends_it(room: Any) -> None:
    connection, people, project = room
    editor, topic = people["editor"], f"project:{project}"
    with connection.transaction(force_rollback=True):
        connection.execute("update public.collaborators set role = 'viewer' where user_id = %s", (editor,))
        assert may(connection, "authenticated", editor, topic) == MEMBER
        connection.execute("delete from public.collaborators where user_id = %s", (editor,))
        assert may(connection, "authenticated", editor, topic) == NONE
        connection.execute("delete from public.projects where id = %s", (project,))
        assert may(connection, "authenticated", people["owner"], topic) == NONE


def test_a_topic_that_is_no_room_admits_nobody_and_is_no_error(room: Any) -> None:
    connection, people, project = room
    topics = [
        *(
            "",
            "project:",
            "project:x",
            "room",
            f"project:{project}x",
            f"project:{project.upper()}",
            f" project:{project}",
        ),
        *(
            f"projects:{project}",
            f"project:{project}:cursors",
            f"project:{uuid.uuid4()}",
            f"project:{project}\nx",
            "project:%",
        ),
        f"project:{project.replace('-', '')}",
    ]
    assert {topic: may(connection, "authenticated", people["owner"], topic) for topic in topics} == dict.fromkeys(
        topics, NONE
    )


def test_a_member_of_one_room_reads_and_writes_no_message_of_another(room: Any) -> None:
    connection, people, project = room
    with connection.transaction(force_rollback=True):
        other = f"project:{uuid.uuid4()}"
        connection.execute(INSERT, (other, "broadcast"))
        connection.execute(INSERT, (f"project:{project}", "broadcast"))
        claims = json.dumps({"role": "authenticated", "sub": people["owner"]})
        connection.execute(CONFIGURE, ("authenticated", f"project:{project}", claims))
        assert row(connection, "select array_agg(topic) from realtime.messages") == ([f"project:{project}"],)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(INSERT, (other, "broadcast"))
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(INSERT, (f"project:{project}", "postgres_changes"))


def messages(connection: Connection, project: str) -> list[tuple[str, dict[str, Any]]]:
    """What was sent to the project's room, in no order."""
    query = "select event, payload from realtime.messages where topic = %s and extension = 'broadcast' and private"
    return connection.execute(query, (f"project:{project}",)).fetchall()


@pytest.fixture
def sending(room: Any) -> Iterator[tuple[Connection, str, str]]:
    """With the setting on: the connection as the editor, the project, and a component in it."""
    connection, people, project = room
    with connection.transaction(force_rollback=True):
        connection.execute(
            "insert into private.settings (name, value) values ('broadcast', 'true') "
            "on conflict (name) do update set value = excluded.value"
        )
        claims = json.dumps({"role": "authenticated", "sub": people["editor"]})
        connection.execute(CONFIGURE, ("authenticated", "mine", claims))
        add = (
            "insert into public.project_components (project_id, kind, title) values (%s, 'text', 'a') "
            "returning id::text"
        )
        (component,) = row(connection, add, (project,))
        yield connection, project, str(component)


def test_a_change_of_a_component_is_sent_to_its_room_with_no_more_than_is_published(sending: Any) -> None:
    connection, project, component = sending
    connection.execute(
        "update public.project_components set title = 'b', revision = revision where id = %s", (component,)
    )
    connection.execute("delete from public.project_components where id = %s", (component,))
    assert row(connection, "select current_setting('realtime.topic')") == ("mine",)
    connection.execute("reset role")
    found = {event: payload for event, payload in messages(connection, project)}
    assert found.keys() == {"INSERT", "UPDATE", "DELETE"}
    assert {event: payload["record"].get("title") for event, payload in found.items()} == {
        "INSERT": "a",
        "UPDATE": "b",
        "DELETE": None,
    }
    assert found["DELETE"]["record"] == {"id": component, "project_id": project}
    (published,) = [each for each in PUBLISHED if each.startswith("public.project_components")]
    columns = "select array_agg(attname::text) from pg_attribute where attrelid = %s::regclass and attnum > 0"
    every = row(connection, columns, ("public.project_components",))[0]
    sent = published.partition("(")[2].rstrip(")").split(", ") if "(" in published else every
    assert found["INSERT"]["record"].keys() <= set(sent)
    assert found["INSERT"]["record"]["id"] == component


def test_a_long_text_and_many_rows_at_once_are_read_again_by_who_hears_of_them(sending: Any) -> None:
    connection, project, _ = sending
    connection.execute("reset role")
    connection.execute("delete from realtime.messages")
    long = json.dumps({"text": "x" * 250_000})
    add = "insert into public.project_components (project_id, kind, properties) values (%s, 'text', %s)"
    connection.execute(add, (project, long))
    ((_, payload),) = messages(connection, project)
    assert "properties" not in payload["record"]
    connection.execute("delete from realtime.messages")
    many = "insert into public.project_components (project_id, kind) select %s, 'text' from generate_series(1, 101)"
    connection.execute(many, (project,))
    assert messages(connection, project) == [
        ("INSERT", {"operation": "INSERT", "table": "project_components", "record": None})
    ]


@pytest.mark.parametrize(
    "broken",
    [
        "drop table realtime.messages_day",
        "alter table realtime.messages add check (topic is null)",
        "drop function realtime.send(jsonb, text, text, boolean)",
        "drop policy messages_insert_definer on realtime.messages",
    ],
)
def test_what_cannot_be_sent_fails_no_write(sending: Any, broken: str) -> None:
    connection, project, component = sending
    said: list[str] = []
    connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    connection.execute("reset role")
    connection.execute("delete from realtime.messages")
    connection.execute(broken.encode())
    connection.execute("update public.project_components set title = 'kept' where id = %s", (component,))
    assert row(connection, "select title from public.project_components where id = %s", (component,)) == ("kept",)
    assert messages(connection, project) == []
    assert any("broadcast" in text.lower() for text in said)


def test_nothing_is_sent_where_the_setting_is_off_or_not_there_yet(sending: Any) -> None:
    connection, project, _ = sending
    connection.execute("reset role")
    connection.execute("delete from realtime.messages")
    for change in (
        "update private.settings set value = 'false' where name = 'broadcast'",
        "delete from private.settings where name = 'broadcast'",
    ):
        connection.execute(change)
        connection.execute("insert into public.project_components (project_id, kind) values (%s, 'text')", (project,))
    assert messages(connection, project) == []


def test_what_realtime_makes_there_is_no_drift() -> None:
    """A day, an index, a column of a later release, and its own publication; a row policy of somebody else is one."""
    with scratch.server() as server:
        stack = scratch.complete(server.url("postgres"))
        with psycopg.connect(stack.url, autocommit=True) as connection:
            for statement in (
                "create table realtime.messages_day partition of realtime.messages default",
                "create index on realtime.messages (inserted_at desc, topic) where extension = 'broadcast'",
                "alter table realtime.messages add column broadcasted_at timestamp",
                "create publication supabase_realtime_messages_publication for table realtime.messages",
            ):
                connection.execute(statement.encode())
            assert stack.preview().changes == {}
            connection.execute("create policy everybody on realtime.messages for select to anon using (true)")
            found = stack.preview()
            assert found.changes.keys() == {"access-realtime.messages"}


def test_a_write_does_not_wait_for_realtime_s_table(alone: Connection):
    """As while Realtime drops a day's partition behind a dump that reads it."""
    (project,) = row(alone, "select id::text from public.projects limit 1")
    alone.execute("update private.settings set value = 'true' where name = 'broadcast'")
    said: list[str] = []
    alone.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    insert = "insert into public.project_components (project_id, kind) values (%s, 'text')"
    with psycopg.connect(alone.info.dsn, password=alone.info.password) as other:
        other.execute("lock table realtime.messages in access exclusive mode")
        alone.execute("set statement_timeout = '5s'")
        alone.execute(insert.encode(), (project,))
    assert any("a change was not broadcast" in each and "lock" in each for each in said), said

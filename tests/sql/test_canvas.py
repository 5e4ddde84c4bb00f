"""The canvas with several editors: places, trees, revisions, what dates a project; many sessions at once."""

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, add_file, code, refused, row

SIGNED_IN = {"sub": ADA, "role": "authenticated"}
MOVE = "select public.move_component(%s, %s)"
NEST = "select public.nest_component(%s, %s)"
ADD = "insert into public.project_components (project_id, kind, title) values (%s, %s, %s) returning id::text"
SAVE = "update public.project_components set properties = %s, revision = %s where id = %s returning revision"
PLACES = "select id::text, position from public.project_components where project_id = %s order by position"


def project_of(connection: Connection, person: str, visibility: str = "private") -> str:
    """A person's private, or public, project."""
    query = "select id::text from public.projects where owner_id = %s and visibility = %s and archived_at is null"
    return str(row(connection, query, (person, visibility))[0])


def add(session: Connection, project: str, *titles: str, kind: str = "text") -> list[str]:
    """New components of a project, one after the other; their ids."""
    return [row(session, ADD, (project, kind, title))[0] for title in titles]


def titles(session: Connection, project: str) -> str:
    """The titles of a project's components, in order."""
    query = "select string_agg(title, '' order by position) from public.project_components where project_id = %s"
    return str(row(session, query, (project,))[0])


@pytest.fixture
def editor(people: Connection) -> Iterator[Connection]:
    """Ada's session."""
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        yield session


# Places.


def test_what_is_added_comes_last_and_what_is_moved_lands_behind_the_other_and_one_row_is_written(editor):
    project = project_of(editor, ADA)
    a, _, c, d = add(editor, project, *"ABCD")
    assert titles(editor, project) == "ABCD"
    before = editor.execute("select ctid from public.project_components").fetchall()
    (place,) = row(editor, MOVE, (d, a))
    row(editor, MOVE, (c, None))
    assert titles(editor, project) == "CADB"
    assert (d, place) in editor.execute(PLACES.encode(), (project,)).fetchall()
    after = editor.execute("select ctid from public.project_components").fetchall()
    assert len({*after} - {*before}) == 2, "two moves write two rows"
    for what in ((a, a), (a, project), (project, a)):
        assert code(editor, MOVE, *what) == "PT404"


def test_a_gap_never_runs_out_and_a_place_never_gets_long(editor):
    project = project_of(editor, ADA)
    a, *others = add(editor, project, *"ABCD")
    longest, renumbered = 0, 0
    for turn in range(600):
        (place,) = row(editor, MOVE, (others[turn % 3], (a, None)[turn % 2]))
        row(editor, MOVE, (others[turn % 2], a))
        longest, renumbered = max(longest, len(place)), renumbered + (len(place) < longest - 20)
    assert 8 < longest <= 64
    assert renumbered, "the places have never become short again"
    found = editor.execute(PLACES.encode(), (project,)).fetchall()
    assert [place for _, place in found] == sorted({place for _, place in found}), "as any client compares texts"


def test_a_place_between_two_is_between_them_for_every_client(people):
    """Any two places, by the thousand: the ends, neighbours, one the beginning of the other."""
    dice = random.Random(1)
    known = ["5"]
    between = "select private.place_between(%s, %s)"
    for _ in range(2000):
        index = dice.randrange(len(known) + 1)
        low, high = ([None, *known][index], [*known, None][index])
        (place,) = row(people, between, (low, high))
        assert place, "no room after so few"
        assert low is None or low < place
        assert high is None or place < high
        known.insert(index, place)
    assert row(people, between, ("9" * 8, None)) == (None,)
    assert row(people, between, (None, "0" * 7 + "1")) == (None,)
    assert row(people, between, ("1", "1" + "0" * 62 + "1")) == (None,)


def test_at_either_end_of_all_places_they_are_given_again(people):
    project = project_of(people, ADA)
    for end, order in (("9" * 8, "AB"), ("0" * 7 + "1", "BA")):
        people.execute("delete from public.project_components")
        (first,) = add(people, project, "A")
        people.execute("update public.project_components set position = %s where id = %s", (end, first))
        (second,) = add(people, project, "B")
        if order == "BA":
            row(people, MOVE, (second, None))
        assert titles(people, project) == order


def test_people_name_no_place_and_no_group_and_servers_none_that_is_taken_or_none_at_all(people):
    project = project_of(people, ADA)
    (component,) = add(people, project, "A")
    values = {"project": project, "component": component}
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        for statement in (
            "insert into public.project_components (project_id, kind, position) values (%s, 'text', '7')",
            "update public.project_components set position = '7' where project_id = %s",
            "update public.project_components set parent_id = null where project_id = %s",
        ):
            refused(session, psycopg.errors.InsufficientPrivilege, statement, project)
    (taken,) = row(people, "select position from public.project_components where id = %(component)s", values)
    insert = "insert into public.project_components (project_id, kind, position) values (%s, 'text', %s)"
    with acting_as(people, "service_role", {"role": "service_role"}) as session:
        refused(session, psycopg.errors.UniqueViolation, insert, project, taken)
        for wrong in ("", "50", "a", "1" * 65):
            refused(session, psycopg.errors.CheckViolation, insert, project, wrong)
        session.execute(insert.encode(), (project, taken + "1"))


def test_a_new_order_names_each_component_once(editor):
    project = project_of(editor, ADA)
    ids = add(editor, project, *"ABCD")
    reorder = "select public.reorder_components(%s, %s::uuid[])"
    assert row(editor, reorder, (project, ids[::-1])) == (4,)
    assert titles(editor, project) == "DCBA"
    for wrong in (ids[:3], [*ids[:3], ids[0]], [*ids, ids[0]], []):
        refused(editor, psycopg.errors.CheckViolation, reorder, project, wrong)


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_a_stranger_changes_no_order_and_holds_up_nobody(people, visibility):
    """What they see is refused, what they don't see is not there; no project is locked by asking."""
    # Without triggers, so that nothing has locked it yet.
    people.execute("set session_replication_role = replica")
    made = "insert into public.projects (owner_id, title, visibility) values (%s, 'held', %s) returning id::text"
    (project,) = row(people, made, (ADA, visibility))
    insert = "insert into public.project_components (project_id, kind, title, position) values (%s, 'group', %s, %s)"
    group, component = (
        row(people, f"{insert} returning id::text", (project, title, place))[0] for title, place in ("G2", "A1")
    )
    people.execute("set session_replication_role = origin")
    with acting_as(people, "authenticated", {**SIGNED_IN, "sub": BOB}) as session:
        expected = "42501" if visibility == "public" else "PT404"
        assert code(session, MOVE, component, None) == code(session, NEST, component, group) == expected
        reorder = "select public.reorder_components(%s, %s::uuid[])"
        assert code(session, reorder, project, [group, component]) == expected
        refused(session, psycopg.errors.InsufficientPrivilege, ADD, project, "text", "B")
        assert session.execute("delete from public.project_components where id = %s", (component,)).rowcount == 0
    assert row(people, "select xmax = '0' from public.projects where id = %s", (project,)) == (True,)
    assert titles(people, project) == "AG"
    assert row(people, "select private.lock_project(%s)", (project,)) == (True,)
    assert row(people, "select xmax = '0' from public.projects where id = %s", (project,)) == (False,)


# Copies and the limit.


def test_a_copy_has_order_and_tree_of_the_original_behind_what_is_there(editor):
    source, target = project_of(editor, ADA), project_of(editor, ADA, "public")
    a, _ = add(editor, source, *"AB")
    (group,) = add(editor, source, "G", kind="group")
    row(editor, NEST, (a, group))
    add(editor, target, "X")
    editor.execute("select public.copy_components(%s, %s)", (source, target))
    assert titles(editor, target) == "XABG"
    tree = "select c.title, p.title from public.project_components c join public.project_components p "
    assert editor.execute(f"{tree} on p.id = c.parent_id where c.project_id = %s".encode(), (target,)).fetchall() == [
        ("A", "G")
    ]
    copy = "select public.copy_components(%s, %s)"
    assert "into the project that they are in" in refused(
        editor, psycopg.errors.InvalidParameterValue, copy, source, source
    )
    assert code(editor, copy, target, a) == code(editor, copy, a, target) == "PT404"


def test_no_project_has_more_components_than_the_limit(editor):
    project, other = project_of(editor, ADA), project_of(editor, ADA, "public")
    most = 2000
    many = "insert into public.project_components (project_id, kind) select %s, 'text' from generate_series(1, %s)"
    editor.execute(many.encode(), (project, most))
    said = refused(editor, psycopg.errors.CheckViolation, ADD, project, "text", "one more")
    assert f"project {project} has more than {most} components" in said
    add(editor, other, "X")
    refused(editor, psycopg.errors.CheckViolation, "select public.copy_components(%s, %s)", project, other)
    assert titles(editor, other) == "X"


# Trees.


def chain(session: Connection, project: str, length: int) -> list[str]:
    """Groups, each in the one before."""
    groups: list[str] = []
    insert = "insert into public.project_components (project_id, kind, parent_id) values (%s, 'group', %s)"
    for _ in range(length):
        groups.append(row(session, f"{insert} returning id::text", (project, groups[-1] if groups else None))[0])
    return groups


def test_no_group_gets_deeper_than_sixteen_with_what_is_in_it_moved_or_new(editor):
    project = project_of(editor, ADA)
    upper, lower = chain(editor, project, 12), chain(editor, project, 12)
    refused(editor, psycopg.errors.CheckViolation, NEST, lower[0], upper[-1])
    refused(editor, psycopg.errors.CheckViolation, NEST, lower[0], upper[5])
    row(editor, NEST, (lower[0], upper[4]))
    deep = "insert into public.project_components (project_id, kind, parent_id) values (%s, 'text', %s)"
    refused(editor, psycopg.errors.CheckViolation, deep, project, lower[-1])
    editor.execute(deep.encode(), (project, lower[-2]))


@pytest.mark.parametrize("wrong", ["itself", "its child", "its child's child", "no group"])
def test_groups_hold_no_circle_and_nothing_else_holds_anything(editor, wrong):
    project = project_of(editor, ADA)
    a, b, c = chain(editor, project, 3)
    (text,) = add(editor, project, "T")
    parent = {"itself": a, "its child": b, "its child's child": c, "no group": text}[wrong]
    refused(editor, psycopg.errors.CheckViolation, NEST, a, parent)
    row(editor, NEST, (c, a))
    row(editor, NEST, (b, c))


def test_a_group_of_another_project_is_refused_as_one_that_is_not_there(editor):
    project, other = project_of(editor, ADA), project_of(editor, ADA, "public")
    (text,), (group,) = add(editor, project, "T"), add(editor, other, "G", kind="group")
    for missing in (group, ADA):
        said = refused(editor, psycopg.errors.ForeignKeyViolation, NEST, text, missing)
        assert "project_components_parent_id_fkey" in said


def test_a_group_with_pieces_stays_a_group_and_pieces_stay_in_its_project(people):
    project, other = project_of(people, ADA), project_of(people, ADA, "public")
    group, _ = chain(people, project, 2)
    with acting_as(people, "service_role", {"role": "service_role"}) as session:
        kind = "update public.project_components set kind = 'text' where id = %s"
        refused(session, psycopg.errors.CheckViolation, kind, group)
        move = "update public.project_components set project_id = %s where id = %s"
        refused(session, psycopg.errors.ForeignKeyViolation, move, other, group)
        session.execute("update public.project_components set parent_id = null")
        session.execute(kind.encode(), (group,))


# Revisions.


def test_a_stale_or_blind_write_of_properties_is_refused_in_words_that_postgrest_makes_a_conflict(editor):
    (component,) = add(editor, project_of(editor, ADA), "A")
    assert row(editor, SAVE, ('{"text": "one"}', 1, component)) == (2,)
    assert row(editor, SAVE, ('{"text": "two"}', 2, component)) == (3,)
    for given, expected in ((1, "PT409"), (4, "PT409"), ("null", "PT409"), (None, "PT428")):
        named = "" if given is None else f", revision = {given}"
        with pytest.raises(psycopg.Error) as caught, editor.transaction():
            editor.execute(f"update public.project_components set properties = '{{}}'{named}".encode())
        assert caught.value.sqlstate == expected
        assert component in str(caught.value)
    found = row(editor, "select properties, revision from public.project_components where id = %s", (component,))
    assert found == ({"text": "two"}, 3)


def test_dragging_and_renaming_make_no_write_stale(editor):
    project = project_of(editor, ADA)
    component, other = add(editor, project, *"AB")
    editor.execute("update public.project_components set x = 5, title = 'new' where id = %s", (component,))
    row(editor, MOVE, (component, other))
    assert row(editor, SAVE, ('{"text": "one"}', 1, component)) == (2,)
    # The same properties again, as a form sends them that was opened and closed.
    editor.execute("update public.project_components set properties = properties, x = 6")


# What dates a project.

DATED = {
    "a component is added": "insert into public.project_components (project_id, kind) values (%(p)s, 'text')",
    "a component is dragged": "update public.project_components set x = 1 where project_id = %(p)s",
    "a component is deleted": "delete from public.project_components where project_id = %(p)s",
    "a recording is added": (
        "insert into public.audio_recordings (project_id, object_path) values (%(p)s::uuid, %(p)s::uuid || '/new.ogg')"
    ),
    "a recording is renamed": "update public.audio_recordings set title = 'x' where project_id = %(p)s",
    "a recording is deleted": "delete from public.audio_recordings where project_id = %(p)s",
    "a generation is asked for": (
        "insert into public.prompt_generations (project_id, prompt, provider, model) values (%(p)s, 'p', 'x', 'm')"
    ),
    "a generation is cancelled": ("update public.prompt_generations set status = 'cancelled' where project_id = %(p)s"),
    "a generation is deleted": "delete from public.prompt_generations where project_id = %(p)s",
}


@pytest.fixture
def old(people: Connection) -> dict[str, str]:
    """Ada's private project, last changed long ago, with a component, a recording and a generation in it."""
    values = {"p": str(project_of(people, ADA))}
    for name in ("old", "new"):
        add_file(people, f"{values['p']}/{name}.ogg")
    for what in ("a component is added", "a recording is added", "a generation is asked for"):
        people.execute(DATED[what].replace("new", "old").encode(), values)
    age(people, values["p"], "1 day")
    return values


def age(connection: Connection, project: str, interval: str) -> None:
    """Make a project older, past the trigger that dates it."""
    connection.execute("set session_replication_role = replica")
    statement = "update public.projects set updated_at = now() - %s::interval where id = %s"
    connection.execute(statement.encode(), (interval, project))
    connection.execute("set session_replication_role = origin")


def changed_now(session: Connection, project: str) -> bool:
    return bool(row(session, "select updated_at = now() from public.projects where id = %s", (project,))[0])


@pytest.mark.parametrize("what", DATED)
def test_a_project_is_dated_by_what_happens_in_it_at_most_once_a_second(people, old, what):
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        assert session.execute(DATED[what].encode(), old).rowcount == 1
        assert changed_now(session, old["p"])
    age(people, old["p"], "0.9 seconds")
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        session.execute(DATED[what].encode(), old)
        assert not changed_now(session, old["p"])


def test_the_first_change_of_a_new_project_dates_it(people, old):
    people.execute("set session_replication_role = replica")
    people.execute(
        "update public.projects set (created_at, updated_at) = (now() - '0.5 s'::interval, now() - '0.5 s'::interval)"
    )
    people.execute("set session_replication_role = origin")
    people.execute(DATED["a component is dragged"].encode(), old)
    assert changed_now(people, old["p"])


def test_neither_a_verdict_on_a_recording_nor_a_departure_dates_a_project(people, old):
    for table in ("audio_recordings", "prompt_generations"):
        people.execute(f"update public.{table} set created_by = %s".encode(), (BOB,))
    age(people, old["p"], "1 day")
    people.execute("update public.audio_recordings set scan_status = 'clean', scanned_at = now()")
    people.execute("delete from next_auth.users where id = %s", (BOB,))
    assert row(people, "select created_by from public.prompt_generations") == (None,)
    assert not changed_now(people, old["p"])


@pytest.mark.parametrize("dated_by", ["the next change", "housekeeping"])
def test_a_change_beside_one_that_is_taken_back_is_dated_later(alone, editors, dated_by):
    project = project_of(alone, ADA)
    a, b = add(alone, project, *"AB")
    age(alone, project, "1 day")
    drag = "update public.project_components set x = x + 1 where id = %s"
    with psycopg.connect(alone.info.dsn, password=alone.info.password, autocommit=True) as holding:
        with holding.transaction(force_rollback=True):
            holding.execute(MOVE.encode(), (a, b))
            for _ in range(3):
                _once(editors[0], drag, (b,))
    noted = "select count(*) from private.undated_projects where project_id = %s"
    assert row(alone, noted, (project,)) == (1,), "once a second"
    old = "select updated_at < now() - interval '1 hour' from public.projects where id = %s"
    assert row(alone, old, (project,)) == (True,)
    if dated_by == "housekeeping":
        with alone.transaction():
            alone.execute("set local role app_owner")
            assert row(alone, "select ops.date_undated()") == (1,)
            assert row(alone, "select ops.date_undated()") == (0,)
    else:
        _once(editors[0], drag, (b,))
    assert row(alone, old, (project,)) == (False,)
    assert row(alone, noted, (project,)) == (0,)


def test_housekeeping_dates_nothing_that_was_dated_since_and_leaves_what_is_held(alone, editors):
    held, dated = project_of(alone, ADA), project_of(alone, BOB)
    age(alone, held, "1 day")
    note = "insert into private.undated_projects (project_id) values (%s), (%s), (gen_random_uuid())"
    alone.execute(note.encode(), (held, dated))
    with editors[0].connection.transaction():
        editors[0].connection.execute("select from public.projects where id = %s for update", (held,))
        assert row(alone, "select ops.date_undated()") == (0,)
        assert alone.execute("select project_id::text from private.undated_projects").fetchall() == [(held,)]
    assert row(alone, "select ops.date_undated()") == (1,)
    assert row(alone, "select count(*) from private.undated_projects") == (0,)


def test_a_change_while_somebody_invites_is_dated_by_the_invitation(alone, editors):
    project = project_of(alone, ADA)
    (a,) = add(alone, project, "A")
    age(alone, project, "1 day")
    with psycopg.connect(alone.info.dsn, password=alone.info.password, autocommit=True) as inviting:
        with inviting.transaction():
            invite = "insert into public.collaborators (project_id, user_id, invited_by) values (%s, %s, %s)"
            inviting.execute(invite.encode(), (project, BOB, ADA))
            _once(editors[0], "update public.project_components set x = 5 where id = %s", (a,))
    old = "select updated_at < now() - interval '1 hour' from public.projects where id = %s"
    assert row(alone, old, (project,)) == (False,)


def test_deleting_a_group_dates_its_project_though_the_same_trigger_fires_for_its_pieces(people, old):
    group, _ = chain(people, old["p"], 2)
    age(people, old["p"], "1 day")
    people.execute("delete from public.project_components where id = %s", (group,))
    assert changed_now(people, old["p"])


# Several sessions.


@dataclass
class Editor:
    """A session of a person's, each statement of which is a transaction as PostgREST makes it."""

    url: str
    who: str = ADA
    connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = psycopg.connect(self.url, autocommit=True)
        self.connection.execute("set search_path = ''")

    @contextmanager
    def request(self) -> Iterator[Connection]:
        claims = json.dumps({"sub": self.who, "role": "authenticated"})
        with self.connection.transaction():
            self.connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
            self.connection.execute("set local role authenticated")
            yield self.connection


@pytest.fixture
def editors(alone: Connection, provisioned_database: Any) -> Iterator[list[Editor]]:
    """Six sessions of Ada's, committed for good."""
    found = [Editor(provisioned_database.url) for _ in range(6)]
    yield found
    for each in found:
        each.connection.close()


def waits(connection: Connection, pid: int) -> bool:
    """Whether a session comes to wait for a lock."""
    for _ in range(200):
        query = "select pg_sleep(0.005), wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
        if row(connection, query, (pid,))[1]:
            return True
    return False


def test_two_drags_to_one_place_come_one_after_the_other(alone, editors):
    project = project_of(alone, ADA)
    a, _, c, d = add(alone, project, *"ABCD")
    first, second = editors[:2]
    with ThreadPoolExecutor(1) as pool:
        with first.request() as session:
            row(session, MOVE, (c, a))
            later = pool.submit(_once, second, MOVE, (d, a))
            assert waits(alone, second.connection.info.backend_pid)
        later.result()
    assert titles(alone, project) == "ADCB", "the later one is right behind the component that it named"
    with editors[2].request() as session:
        row(session, MOVE, (c, a))
    assert titles(alone, project) == "ACDB"


def _once(editor: Editor, statement: str, values: Sequence[Any]) -> None:
    with editor.request() as session:
        session.execute(statement.encode(), values)


ORDERING = (
    "insert into public.project_components (project_id, kind) values (%(project)s, 'text')",
    "select public.move_component(%(b)s)",
    "select public.nest_component(%(b)s)",
    "select public.reorder_components(%(project)s, array[%(b)s, %(a)s]::uuid[])",
    "select public.copy_components(%(other)s, %(project)s)",
    "delete from public.project_components where id = %(b)s",
)


def test_whoever_changes_order_or_tree_waits_for_whoever_does_and_holds_no_component_meanwhile(alone, editors):
    project = project_of(alone, ADA)
    a, b = add(alone, project, *"AB")
    values = {"project": project, "other": project_of(alone, ADA, "public"), "a": a, "b": b}
    with editors[0].request() as holding:
        row(holding, MOVE, (a, None))
        for statement in ORDERING:
            with editors[1].request() as session:
                session.execute("set local lock_timeout = '20ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable, match="projects"), session.transaction():
                    session.execute(statement.encode(), values)


def test_a_new_order_takes_its_components_in_the_order_in_which_a_list_of_keys_is_changed(alone, editors):
    """Several components that one statement changes by their keys and a new order never wait for each other."""
    project = project_of(alone, ADA)
    a, b, c = add(alone, project, *"ABC")
    # Now its version is the last one in the table, where a list of all begins with B.
    alone.execute("update public.project_components set x = 2 where id = %s", (a,))
    drag = "update public.project_components set x = 1 where id = any(%s::uuid[])"
    typing, dragging, ordering = editors[:3]
    with ThreadPoolExecutor(2) as pool:
        with typing.request() as session:
            row(session, SAVE, ("{}", 1, b))
            later = [pool.submit(_once, dragging, drag, ([b, a],))]
            assert waits(alone, dragging.connection.info.backend_pid)
            later.append(
                pool.submit(_once, ordering, "select public.reorder_components(%s, %s::uuid[])", (project, [c, b, a]))
            )
            assert waits(alone, ordering.connection.info.backend_pid)
            # For the session that holds A; in the queue for B it would wait for a "tuple", with C in its hands.
            event = "select wait_event from pg_stat_activity where pid = %s"
            assert row(alone, event, (ordering.connection.info.backend_pid,)) == ("transactionid",)
        for each in later:
            each.result()
    assert titles(alone, project) == "CBA"


def test_typing_and_dragging_on_the_canvas_wait_for_nobody(alone, editors):
    """A new order holds the project, and one person's text one row."""
    project = project_of(alone, ADA)
    a, b, *_ = add(alone, project, *"ABCD")
    age(alone, project, "1 day")
    with editors[0].request() as ordering:
        row(ordering, MOVE, (b, None))
        with editors[1].request() as session:
            session.execute("set local lock_timeout = '1ms'")
            row(session, SAVE, ('{"text": "one"}', 1, a))
            session.execute("update public.project_components set x = 1 where id = %s", (a,))
    assert row(alone, "select revision, x from public.project_components where id = %s", (a,)) == (2, 1)


def test_a_server_that_moves_a_component_manually_is_refused_while_the_project_is_held(alone, editors):
    project = project_of(alone, ADA)
    group, piece = chain(alone, project, 2)
    statement = "update public.project_components set parent_id = null where id = %s"
    with editors[0].request() as session:
        row(session, MOVE, (group, None))
        alone.execute("set lock_timeout = '1s'; set role service_role")
        said = refused(alone, psycopg.errors.LockNotAvailable, statement, piece)
        alone.execute("reset role")
    assert f"somebody else is changing project {project}" in said
    alone.execute(statement.encode(), (piece,))


# What may be refused where others change the same project: a component that is gone, a list that isn't all of it any
# more, a group that has come under one's own or is full, a stale revision. A deadlock never.
FAIR = {"PT404", "23514", "23503", "PT409"}


@dataclass
class Canvas:
    """What a project's order and tree have to be: the operations one after the other, in the order of their locks."""

    order: list[str] = field(default_factory=list)
    parents: dict[str, str | None] = field(default_factory=dict)

    def add(self, *new: tuple[str, str | None]) -> None:
        self.order += [each for each, _ in new]
        self.parents |= dict(new)

    def move(self, component: str, after: str | None) -> None:
        self.order.remove(component)
        self.order.insert(self.order.index(after) + 1 if after else 0, component)

    def nest(self, component: str, parent: str | None) -> None:
        self.parents[component] = parent

    def reorder(self, *order: str) -> None:
        assert sorted(order) == sorted(self.order)
        self.order = [*order]

    def delete(self, *components: str) -> None:
        for component in components:
            self.order.remove(component)
            del self.parents[component]
            self.delete(*(each for each, parent in [*self.parents.items()] if parent == component))


@dataclass
class Session:
    """One of several people at once, who does what comes to mind, and notes what was done and when."""

    editor: Editor
    projects: list[str]
    template: str
    dice: random.Random
    done: list[tuple[int, str, str, tuple[Any, ...]]] = field(default_factory=list)
    saves: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    def work(self, operations: int) -> None:
        kinds = {"add": 5, "move": 9, "nest": 3, "reorder": 3, "delete": 2, "copy": 1, "save": 7}
        for kind in self.dice.choices([*kinds], [*kinds.values()], k=operations):
            try:
                with self.editor.request() as session:
                    self.act(session, kind, self.dice.choice(self.projects))
            except psycopg.Error as error:
                self.refusals[error.sqlstate or ""] += 1

    def act(self, session: Connection, kind: str, project: str) -> None:
        query = "select id::text, kind, revision from public.project_components where project_id = %s order by position"
        seen = session.execute(query.encode(), (project,)).fetchall()
        groups = [None, *(each for each, what, _ in seen if what == "group")]
        if kind in ("add", "copy"):
            done = self.add(session, project, groups) if kind == "add" else self.copy(session, project)
            kind = "add"
        elif kind == "reorder":
            done = tuple(self.dice.sample([each for each, *_ in seen], len(seen)))
            session.execute("select public.reorder_components(%s, %s::uuid[])", (project, [*done]))
        elif kind == "save":
            return self.save(session, self.dice.choice(seen))
        else:
            done = self.change(session, kind, [each for each, *_ in seen], groups)
        # Drawn while the project is held: so the numbers of a project's changes are in the order of its locks.
        self.done.append((row(session, "select nextval('public.turns')")[0], project, kind, done))

    def add(self, session: Connection, project: str, groups: list[Any]) -> tuple[Any, ...]:
        insert = "insert into public.project_components (project_id, kind, parent_id) values (%s, %s, %s)"
        kind, group = self.dice.choice(["text", "group"]), self.dice.choice(groups)
        return ((row(session, f"{insert} returning id::text", (project, kind, group))[0], group),)

    def copy(self, session: Connection, project: str) -> tuple[Any, ...]:
        session.execute("select public.copy_components(%s, %s)", (self.template, project))
        query = "select id::text, parent_id::text from public.project_components where project_id = %s "
        return tuple(session.execute(f"{query} order by position desc limit 4".encode(), (project,)).fetchall()[::-1])

    def save(self, session: Connection, seen: tuple[Any, ...]) -> None:
        component, _, revision = seen
        values = (json.dumps({"text": self.dice.random()}), revision, component)
        self.saves[component] += len(session.execute(SAVE.encode(), values).fetchall())

    def change(self, session: Connection, kind: str, ids: list[str], groups: list[Any]) -> tuple[Any, ...]:
        one, *other = self.dice.choice(ids), self.dice.choice([None, *ids] if kind == "move" else groups)
        if kind == "delete":
            gone = not session.execute("delete from public.project_components where id = %s", (one,)).rowcount
            return () if gone else (one,)
        session.execute((MOVE if kind == "move" else NEST).encode(), (one, *other))
        return (one, *other)


def test_a_thousand_changes_by_six_people_at_once_are_no_deadlock_and_one_order(alone, editors):
    projects = [project_of(alone, ADA), project_of(alone, ADA, "public"), project_of(alone, BOB)]
    alone.execute(
        "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, 'editor', now())",
        (projects[2], ADA),
    )
    template = project_of(alone, BOB, "public")
    chain(alone, template, 2)
    add(alone, template, *"AB")
    alone.execute("create sequence public.turns; grant usage on sequence public.turns to authenticated")
    expected = {project: Canvas() for project in projects}
    for project in projects:
        expected[project].add(*((each, None) for each in add(alone, project, *"ABCDEFGH")))
    sessions = [Session(each, projects, template, random.Random(n)) for n, each in enumerate(editors)]
    threads = [threading.Thread(target=session.work, args=(170,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refusals = sum((session.refusals for session in sessions), Counter[str]())
    assert {*refusals} <= FAIR, refusals
    done = sorted(each for session in sessions for each in session.done)
    assert len(done) > 500, refusals
    for _, project, kind, values in done:
        getattr(expected[project], kind)(*values)
    for project, canvas in expected.items():
        found = alone.execute(
            "select id::text, parent_id::text, position from public.project_components where project_id = %s "
            "order by position",
            (project,),
        ).fetchall()
        assert [each for each, _, _ in found] == canvas.order
        assert {each: parent for each, parent, _ in found} == canvas.parents
        places = [place for _, _, place in found]
        assert places == sorted({*places})
    saves = sum((session.saves for session in sessions), Counter[str]())
    for component, revision in alone.execute("select id::text, revision from public.project_components").fetchall():
        assert revision == 1 + saves[component], "a write that was reported as done is lost"

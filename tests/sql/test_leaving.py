"""Who leaves while others work or leave too, and what a token is good for of who has left."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid5

import psycopg
import pytest

from tests.sql import matrix
from tests.sql.provision import ADA, BOB, Connection, acting_as, add_recording, refused, row
from tests.sql.test_departures import heavy as heavy
from tests.sql.test_departures import leave
from tests.sql.trail import project_of

COUPLES, ROUNDS = 6, 5
CONTENT = ("project_components", "audio_recordings", "prompt_generations")
SPACE = UUID("00000000-0000-7000-8000-000000000000")
ADDRESSES = [f"{n}@example.org" for n in range(100)]

# Each has three projects, is an editor in the other's, and has made something in all.
COUPLE = """
insert into next_auth.users (id, name, email) select p.id, p.id::text, p.id || '@example.org'
from unnest(%(couple)s::uuid[]) as p (id);
insert into public.projects (owner_id, title, visibility)
select p.id, 'p', 'shared' from unnest(%(couple)s::uuid[]) as p (id), generate_series(1, 3);
insert into public.collaborators (project_id, user_id, role, accepted_at)
select p.id, c.id, 'editor', now() from public.projects as p
join unnest(%(couple)s::uuid[]) as c (id) on c.id <> p.owner_id where p.owner_id = any(%(couple)s);
insert into public.prompt_generations (project_id, created_by, prompt, provider, model)
select p.id, c.id, 'p', 'x', 'm' from public.projects as p, unnest(%(couple)s::uuid[]) as c (id)
where p.owner_id = any(%(couple)s);
insert into public.project_components (project_id, kind)
select p.id, 'text' from public.projects as p, generate_series(1, 3) where p.owner_id = any(%(couple)s)
"""
WORK = (
    "insert into public.prompt_generations (project_id, prompt, provider, model) "
    "select id, 'p', 'x', 'm' from public.projects limit 1",
    "insert into public.project_components (project_id, kind) select id, 'text' from public.projects limit 1",
    "insert into public.projects (owner_id, title) values (auth.uid(), 'late')",
    "select public.reorder_components(p.id, array(select c.id from public.project_components as c "
    "where c.project_id = p.id)) from public.projects as p limit 1",
)


def states(connection: Connection, *tasks: Callable[[Connection], Any]) -> Counter[str | None]:
    """All at once, each in a session of its own; how many ended in which SQLSTATE."""
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[Connection], Any]) -> str | None:
        with psycopg.connect(connection.info.dsn, autocommit=True, password=connection.info.password) as session:
            session.execute("set search_path = ''")
            barrier.wait()
            try:
                task(session)
            except psycopg.Error as error:
                return error.sqlstate
        return None

    with ThreadPoolExecutor(len(tasks)) as pool:
        return Counter(pool.map(run, tasks))


def working(person: str, statement: str) -> Callable[[Connection], Any]:
    def work(session: Connection) -> None:
        for _ in range(10):
            with acting_as(session, "authenticated", {"sub": person, "role": "authenticated"}, keep=True):
                session.execute(statement.encode())

    return work


def test_people_leave_at_once_and_beside_their_own_work_and_nobody_is_in_a_deadlock(alone):
    alone.execute("update private.settings set value = '10000' where name = 'generationsWaiting'")
    for number in range(ROUNDS):
        people = [str(uuid5(SPACE, f"{number} {n}")) for n in range(2 * COUPLES)]
        for at in range(0, len(people), 2):
            matrix.run(alone, COUPLE, {"couple": people[at : at + 2]})
        ended = states(
            alone,
            *((lambda session, person=person: leave(session, person)) for person in people),
            *(working(person, WORK[n % len(WORK)]) for n, person in enumerate(people)),
        )
        assert ended.keys() <= {None, "42501", "23503", "PT404"}, "who has left is refused, and nothing else happens"
        assert row(alone, "select count(*) from next_auth.users where id = any(%s)", (people,)) == (0,)
        alone.execute("call ops.erase_departed()")
        assert row(alone, "select count(*) from public.users where id = any(%s)", (people,)) == (0,)


def test_who_holds_some_of_it_holds_up_nobody_who_leaves(alone):
    """The rest goes in batches; meanwhile the account is gone for everybody, whatever it had."""
    with psycopg.connect(alone.info.dsn, password=alone.info.password) as other:
        other.execute("select from public.users where id = %s for key share", (ADA,))
        leave(alone)
        assert row(alone, "select people from ops.waiting_departures()") == (1,)
        assert row(alone, "select display_name from public.users where id = %s", (ADA,)) == (None,)
    alone.execute("call ops.erase_departed()")
    assert row(alone, "select people from ops.waiting_departures()") == (0,)


def test_two_who_invite_the_same_addresses_in_another_order_dont_wait_for_each_other(alone):
    projects = (project_of(alone, ADA), project_of(alone, BOB))
    query = "insert into public.collaborators (project_id, email) select %s, a from unnest(%s::text[]) as a"
    for number in range(10):
        addresses = [f"{number}-{address}" for address in ADDRESSES]
        ended = states(
            alone,
            lambda session, given=addresses: session.execute(query, (projects[0], given)),
            lambda session, given=addresses[::-1]: session.execute(query, (projects[1], given)),
        )
        assert ended == {None: 2}


# What is left to a token of who has left: every function that people may call, and every one that their policies ask.

NOTHING = "nothing"
CALLS = {
    "accept_invitation(uuid)": ("%(invitation)s", "PT404"),
    "copy_components(uuid,uuid)": ("%(bobs)s, %(adas)s", "PT404"),
    "create_project(text,text,text,jsonb,jsonb)": ("'t', '', 'private', '{}', '[]'", "42501"),
    "decline_invitation(uuid)": ("%(invitation)s", "PT404"),
    "duplicate_project(uuid,text)": ("%(adas)s, null", "PT404"),
    "move_component(uuid,uuid)": ("%(component)s, null", "PT404"),
    "my_budget()": ("", NOTHING),
    "my_invitations()": ("", NOTHING),
    "nest_component(uuid,uuid)": ("%(component)s, null", "PT404"),
    "project_members(uuid)": ("%(bobs)s", NOTHING),
    "project_owners(uuid[])": ("array[%(bobs)s, %(bobs_public)s]::uuid[]", NOTHING),
    "project_summaries(uuid[])": ("array[%(adas)s, %(bobs)s]::uuid[]", NOTHING),
    "reorder_components(uuid,uuid[])": ("%(adas)s, '{}'", "PT404"),
    "search_generations(text,integer,real,uuid,text)": ("'p', 5, null, null, null", NOTHING),
    "search_projects(text,integer,real,uuid,text)": ("'public', 5, null, null, null", NOTHING),
    "search_recordings(text,integer,real,uuid,text)": ("'p', 5, null, null, null", NOTHING),
    "storage_usage()": ("", NOTHING),
    "transfer_project(uuid,uuid)": ("%(adas)s, %(bob)s", "PT404"),
    "usage_by_day(date,date)": ("'-infinity', '5874897-12-31'", NOTHING),
    "usage_overview(date,date)": ("'-infinity', 'infinity'", NOTHING),
    "usage_summary(timestamptz)": ("'-infinity'", NOTHING),
}
ASKED = {
    "hold_copy_target(uuid,uuid)": ("%(bobs)s, %(adas)s", "PT404"),
    "is_here()": ("", False),
    "is_super_admin()": ("", False),
    "leaving()": ("", None),
    "lock_project(uuid)": ("%(adas)s", False),
    "may_edit(uuid)": ("%(adas)s", False),
    "may_hear()": ("", []),
    "may_speak()": ("", []),
    "may_find(text,text,text,text,boolean)": ("'audio', %(adas)s || '/a.ogg', 'v', %(ada)s::text, true", False),
    "may_manage(uuid,text)": ("%(adas)s, 'viewer'", False),
    "may_read(uuid)": ("%(bobs)s", False),
    "may_see(uuid)": ("%(adas)s", False),
    "may_store(text)": ("%(adas)s || '/a.ogg'", False),
    "supervised_from()": ("", None),
}
# They tell nothing of anybody, or open what policies show and nobody else.
HARMLESS = {
    *("audit_open(jsonb)", "buckets_of(text[])", "is_clean(text,text,text)", "only_bucket_of(text)"),
    "takes(text,text,text)",
}
# Once a statement, by row policies alone: beside each there is one that asks whether the caller is here.
LISTS = {
    *("few_files()", "few_projects()", "led_projects(integer)", "many_files_from(boolean)", "many_from()"),
    *("lock_members(uuid,text)", "my_harmful()", "my_projects(integer)"),
}
# The work of the functions above, which nobody calls but these.
PARTS = {"my_storage()"}
CALLABLE = """
select replace(p.oid::regprocedure::text, 'timestamp with time zone', 'timestamptz')
from pg_proc as p
where p.pronamespace = %s::regnamespace and has_function_privilege('authenticated', p.oid, 'execute')
    and (p.prosecdef or p.pronamespace = 'public'::regnamespace)
"""


@pytest.fixture
def late(heavy: Connection) -> tuple[Connection, dict[str, Any]]:
    """Ada, with rows that a server may write late: an invitation and a membership."""
    values: dict[str, Any] = {"ada": ADA, "bob": BOB}
    values |= {
        "adas": project_of(heavy, ADA),
        "bobs": project_of(heavy, BOB),
        "bobs_public": project_of(heavy, BOB, "public"),
    }
    query = "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, 'editor', %s)"
    heavy.execute("update public.users set is_super_admin = true where id = %s", (ADA,))
    heavy.execute(
        "insert into private.object_scans (bucket_id, name, version, status, scanned_at) "
        "values ('audio', %s, 'v', 'clean', now()) on conflict do nothing",
        (f"{values['adas']}/a.ogg",),
    )
    components = (
        "insert into public.project_components (project_id, kind) select %s, 'text' from generate_series(1, 1400)"
    )
    heavy.execute(components.encode(), (values["adas"],))
    leave(heavy)
    heavy.execute(query.encode(), (values["bobs"], ADA, "now"))
    heavy.execute(query.encode(), (values["bobs_public"], ADA, None))
    (values["invitation"],) = row(heavy, "select id from public.collaborators where accepted_at is null")
    (values["component"],) = row(
        heavy, "select id from public.project_components where project_id = %s limit 1", (values["adas"],)
    )
    return heavy, values


def outcome(session: Connection, query: str, values: dict[str, Any]) -> Any:
    try:
        with session.transaction(force_rollback=True):
            return session.execute(query.encode(), values).fetchall()
    except psycopg.Error as error:
        return error.sqlstate


def test_who_has_left_gets_nothing_from_any_function(late):
    connection, values = late
    names = {name.removeprefix("public.") for (name,) in connection.execute(CALLABLE.encode(), ("public",))}
    assert names == CALLS.keys(), "say here what a function gives to who has left"
    with acting_as(connection, "authenticated", {"sub": ADA, "role": "authenticated"}) as session:
        for name, (arguments, expected) in CALLS.items():
            came = outcome(session, f"select * from public.{name.partition('(')[0]}({arguments})", values)
            if name == "usage_summary(timestamptz)" and not isinstance(came, str):
                came = [each for each in came if any(each)]
            assert came == ([] if expected is NOTHING else expected), name


def test_no_question_of_a_row_policy_is_answered_for_who_has_left(late):
    connection, values = late
    names = {name.removeprefix("private.") for (name,) in connection.execute(CALLABLE.encode(), ("private",))}
    called = {name for name in names if name in CALLS}
    found = names - called - HARMLESS - LISTS - PARTS
    assert (found - ASKED.keys(), ASKED.keys() - found) == (set(), set()), "say here what it gives to who has left"
    connection.execute("select set_config('request.jwt.claim.sub', %s, false)", (ADA,))
    connection.execute("set role authenticated")
    connection.execute("reset role")
    connection.execute("grant usage on schema private to authenticated")
    connection.execute("set role authenticated")
    for name, (arguments, expected) in ASKED.items():
        came = outcome(connection, f"select private.{name.partition('(')[0]}({arguments})", values)
        assert came == (expected if isinstance(expected, str) else [(expected,)]), name


def test_who_waits_to_invite_into_a_project_finds_that_its_owner_has_left(heavy):
    project = project_of(heavy, ADA)
    heavy.execute("update public.collaborators set role = 'admin'")
    invite = "insert into public.collaborators (project_id, email, invited_by) values (%s, 'eve@example.org', %s)"

    def late(session: Connection) -> None:
        with acting_as(session, "authenticated", {"sub": BOB, "role": "authenticated"}, keep=True):
            session.execute(invite.encode(), (project, BOB))

    # Not pg_stat_activity, which a transaction reads once.
    waiting = "select count(*) from pg_locks where not granted"
    with ThreadPoolExecutor(1) as pool:
        with heavy.transaction():
            heavy.execute("delete from next_auth.users where id = %s", (ADA,))
            came = pool.submit(states, heavy, late)
            deadline = time.monotonic() + 30
            while row(heavy, waiting) == (0,):
                assert time.monotonic() < deadline, "it doesn't wait"
                time.sleep(0.01)
        assert came.result(10) == {"42501": 1}
    assert row(heavy, "select count(*) from public.collaborators where project_id = %s", (project,)) == (0,)


def test_a_membership_that_a_server_writes_in_a_project_of_who_has_left_gives_nothing(late):
    connection, values = late
    (eve,) = row(connection, "insert into next_auth.users (email) values ('eve@example.org') returning id")
    connection.execute(
        "insert into public.collaborators (project_id, user_id, role, accepted_at) values (%s, %s, 'admin', now())",
        (values["adas"], eve),
    )
    connection.execute("select set_config('request.jwt.claim.sub', %s, false)", (str(eve),))
    for question in ("may_read(%s)", "may_see(%s)", "may_edit(%s)", "may_manage(%s, 'viewer')"):
        assert row(connection, f"select private.{question}", (values["adas"],)) == (False,), question


def test_members_find_nothing_of_who_has_left_although_a_membership_was_held(heavy):
    """Somebody holds the members' rows while the account goes, so that these stay until the batches."""
    project = project_of(heavy, ADA)
    matrix.run(
        heavy,
        """
        update public.collaborators set role = 'admin';
        insert into next_auth.users (email) values ('eve@example.org');
        insert into public.collaborators (project_id, email) values (%(project)s, 'new@example.org')
        """,
        {"project": project},
    )
    add_recording(heavy, project, transcript="spoken")
    questions = (
        *(f"select count(*) from public.{table}" for table in CONTENT),
        "select count(*) from public.collaborators where user_id is distinct from auth.uid()",
        "select count(*) from public.search_recordings('spoken')",
        "select count(*) from public.search_generations('-zebra')",
    )

    def seen() -> list[int]:
        with acting_as(heavy, "authenticated", {"sub": BOB, "role": "authenticated"}) as session:
            return [row(session, question)[0] for question in questions]

    assert seen() == [600, 1, 5, 1, 1, 5]
    for many in (False, True):
        with psycopg.connect(heavy.info.dsn, password=heavy.info.password) as other:
            other.execute("select from public.collaborators where project_id = %s for update", (project,))
            if not many:
                leave(heavy)
            else:
                add = "insert into public.projects (owner_id, title) select %s, 'p' from generate_series(1, 201)"
                heavy.execute(add.encode(), (BOB,))
        assert row(heavy, "select count(*) from public.collaborators where user_id = %s", (BOB,)) == (1,)
        assert seen() == [0] * len(questions), "with many projects of their own" if many else "with few"


def test_lists_of_projects_ask_no_function_for_each_membership_while_somebody_leaves(people):
    """Such a function takes several times as long as the list, and there is always somebody whose rows wait."""
    matrix.run(
        people,
        """
        with made as (
            insert into public.projects (owner_id, title, visibility)
            select %(ada)s, 'p', 'shared' from generate_series(1, 150) returning id
        )
        insert into public.collaborators (project_id, user_id, role, accepted_at)
            select m.id, %(bob)s, 'admin', now() from made as m;
        insert into private.departures (user_id) values (gen_random_uuid());
        """,
        {"ada": ADA, "bob": BOB},
    )
    for question in (
        "select from public.audio_recordings",
        "select from public.collaborators",
        "select from public.project_components",
        "select from public.search_recordings('spoken')",
    ):
        with acting_as(people, "authenticated", {"sub": BOB, "role": "authenticated"}) as session:
            session.execute("reset role; set local track_functions = 'all'; set local role authenticated")
            calls = "select coalesce(sum(calls), 0) from pg_catalog.pg_stat_xact_user_functions"
            before = row(session, calls)[0]
            session.execute(question.encode())
            assert row(session, calls)[0] - before < 100, question


def test_leaving_waits_for_nobody_who_changes_several_collaborators_or_holds_a_project(alone):
    """Nor is either a deadlock's victim. Memberships go with the batches; an invitation that was accepted stays."""
    project = project_of(alone, BOB)
    (eve,) = row(alone, "insert into next_auth.users (email) values ('eve@example.org') returning id")
    invite = (
        "insert into public.collaborators (project_id, user_id, email, role, invited_by, accepted_at) "
        "values (%s, %s, %s, 'editor', %s, %s)"
    )
    own = project_of(alone, ADA)
    rows = (
        (project, ADA, None, BOB, "now"),
        (project, None, "ada@example.org", BOB, None),
        (project, eve, None, ADA, None),
        (project, None, "new@example.org", ADA, None),
        (own, BOB, None, ADA, "now"),
    )
    alone.cursor().executemany(invite, rows)
    alone.execute('update next_auth.users set "emailVerified" = now() where id = %s', (ADA,))
    holders = (
        ("update public.collaborators set role = 'viewer' where project_id = %s", project),
        ("select from public.projects where id = %s for no key update", own),
    )
    with psycopg.connect(alone.info.dsn, password=alone.info.password) as other:
        for query, held in holders:
            other.execute(query.encode(), (held,))
            with alone.transaction(force_rollback=query is not holders[-1][0]):
                alone.execute("set local statement_timeout = '3s'")
                alone.execute("delete from next_auth.users where id = %s", (ADA,))
                with acting_as(alone, "authenticated", {"sub": ADA, "role": "authenticated"}) as session:
                    assert row(session, "select count(*) from public.projects") == (0,)
                with acting_as(alone, "authenticated", {"sub": BOB, "role": "authenticated"}) as session:
                    assert row(session, "select count(*) from public.projects where id = %s", (own,)) == (0,)
            if query is not holders[-1][0]:
                other.rollback()
        assert row(alone, "call ops.erase_departed()") == (0,), "still held"
    left = "select count(*) from public.collaborators where project_id = %s"
    assert row(alone, left, (project,)) == (4,)
    with acting_as(alone, "authenticated", {"sub": BOB, "role": "authenticated"}) as session:
        handed = "select public.transfer_project(%s, %s)"
        refused(session, psycopg.errors.CheckViolation, handed, project, ADA)
    # What was on its way when the account went.
    alone.execute(invite.encode(), (project, None, "late@example.org", ADA, None))
    alone.execute("update public.collaborators set accepted_at = now() where user_id = %s", (eve,))
    alone.execute("call ops.erase_departed()")
    assert alone.execute("select user_id, email, invited_by from public.collaborators").fetchall() == [
        (eve, None, None)
    ]
    readable = "select coalesce(old, new) ->> 'email' from audit.entries where relation = 'public.collaborators'"
    assert not {"ada@example.org", "new@example.org"} & {email for (email,) in alone.execute(readable.encode())}
    assert row(alone, "select people from ops.waiting_departures()") == (0,)


def test_projects_of_who_has_left_stand_in_nobodys_way_before_they_are_deleted(alone):
    own = project_of(alone, ADA)
    alone.execute("update public.projects set visibility = 'public' where id = %s", (own,))
    component = "insert into public.project_components (project_id, kind) values (%s, 'text')"
    alone.execute(component.encode(), (own,))
    listed = "select listed from private.project_words where project_id = %s"
    assert row(alone, listed, (own,)) == (True,)
    with psycopg.connect(alone.info.dsn, password=alone.info.password) as other:
        other.execute("select from public.project_components where project_id = %s for update", (own,))
        alone.execute("delete from next_auth.users where id = %s", (ADA,))
    assert row(alone, listed, (own,)) == (False,)

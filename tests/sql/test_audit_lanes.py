"""Writers of the audit trail at the same time: these commit, so each test has a database of its own."""

import threading

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, refused, row
from tests.sql.trail import NEWEST, entries, findings, project_of


@pytest.fixture
def trail(alone):
    """The complete SQL with people, committed."""
    return alone


def test_a_transaction_that_is_rolled_back_leaves_no_gap(trail):
    with trail.transaction(force_rollback=True):
        trail.execute("update public.projects set title = 'never'")
    with trail.transaction():
        trail.execute("update public.projects set title = 'a' where id = %s", (project_of(trail, ADA, "private"),))
        with trail.transaction(force_rollback=True):
            trail.execute("update public.projects set title = 'never'")
        trail.execute("update public.projects set title = 'b' where id = %s", (project_of(trail, BOB, "private"),))
    assert [new for (new,) in entries(trail, "public.projects", "new ->> 'title'")][-2:] == ["a", "b"]
    assert findings(trail) == []


def test_twenty_writers_neither_wait_for_each_other_nor_break_a_chain(trail, provisioned_database):
    projects = [project_of(trail, person, title) for person in (ADA, BOB) for title in ("private", "public")]
    failures: list[str] = []
    started = threading.Barrier(20)

    def write(number: int) -> None:
        try:
            with psycopg.connect(provisioned_database.url, autocommit=True) as session:
                session.execute("set lock_timeout = '20s'")
                started.wait()
                for turn in range(15):
                    with session.transaction():
                        # One's own row, then one that others want: in one lane that would be a deadlock.
                        session.execute(
                            "insert into public.projects (owner_id, title) values (%s, %s)", (ADA, f"{number}-{turn}")
                        )
                        session.execute(
                            "update public.projects set title = %s where id = %s",
                            (f"{number}-{turn}", projects[(number + turn) % len(projects)]),
                        )
        except psycopg.Error as error:
            failures.append(str(error))

    before = row(trail, "select count(*) from audit.log")[0]
    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert row(trail, "select count(*) from audit.log")[0] == before + 20 * 15 * 2
    assert row(trail, "select count(distinct lane) from audit.log")[0] > 10
    assert findings(trail) == []


def test_a_lane_that_somebody_holds_is_left_to_them(trail, provisioned_database):
    with psycopg.connect(provisioned_database.url) as other:
        other.execute("update public.projects set title = 'held' where id = %s", (project_of(trail, ADA),))
        held = row(other, NEWEST)[0]
        other.execute("select 1 from audit.heads where lane = %s for update", (trail.info.backend_pid % 128,))
        trail.execute("set statement_timeout = '5s'")
        with trail.transaction():
            trail.execute("update public.projects set title = 'one' where id = %s", (project_of(trail, BOB),))
            trail.execute("update public.projects set title = 'two' where title = 'one'")
        lanes = {lane for (lane,) in entries(trail, "public.projects", "lane")[-2:]}
        assert len(lanes) == 1, "a transaction stays in its lane"
        assert not lanes & {held, trail.info.backend_pid % 128}
        # Only without any free lane somebody waits.
        other.execute("select 1 from audit.heads for update")
        refused(
            trail,
            psycopg.errors.QueryCanceled,
            "set statement_timeout = '300ms'; update public.projects set title = 'x'",
        )
        other.rollback()
    assert findings(trail) == []


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_stricter_transactions_of_different_sessions_do_not_fail_each_other(trail, provisioned_database, level):
    with psycopg.connect(provisioned_database.url) as other:
        for session, person in ((trail, ADA), (other, BOB)):
            session.execute(f"begin transaction isolation level {level}".encode())
            # A table this small is read whole, and then each writer has read the other's rows.
            session.execute("set local enable_seqscan = off")
            session.execute("select count(*) from public.users where id = %s", (person,))
        for session, person in ((trail, ADA), (other, BOB)):
            session.execute("update public.projects set title = 'x' where id = %s", (project_of(session, person),))
        trail.execute("commit")
        other.commit()
    assert findings(trail) == []

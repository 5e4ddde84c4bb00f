"""Months as their table is: each with its triggers, each made and retired in a transaction of its own."""

import time

import psycopg
import pytest

from ops import maintain
from tests.sql import provision
from tests.sql.provision import Connection, row

TABLE = "analytics.user_activity"
STATES = {"O": "enable", "D": "disable", "A": "enable always", "R": "enable replica"}
KEEP = "call ops.keep_partitions({})"
INSERT = f"insert into {TABLE} (created_at, user_id, action) values (now() + %s, gen_random_uuid(), 'test')"
# Every partition beside every trigger of its table: those that aren't there, or fire otherwise.
UNLIKE = f"""
    select i.inhrelid::regclass::text, t.tgname, t.tgenabled, c.tgenabled
    from pg_inherits as i join pg_trigger as t on t.tgrelid = i.inhparent and not t.tgisinternal
    left join pg_trigger as c on c.tgrelid = i.inhrelid and c.tgname = t.tgname
    where i.inhparent = '{TABLE}'::regclass and c.tgenabled is distinct from t.tgenabled order by 1, 2
"""


def add_triggers(connection: Connection, word: str) -> None:
    """Triggers of each level and in each state, on the table alone."""
    connection.execute(
        "create or replace function private.noted() returns trigger language plpgsql set search_path = '' as "
        "'begin return null; end'; alter function private.noted() owner to app_owner"
    )
    for level in ("row", "statement"):
        for number, state in enumerate(STATES.values()):
            name = f"{word}_{level}_{number}"
            connection.execute(
                f"create trigger {name} after insert or delete on {TABLE} for each {level} "
                f"execute function private.noted({number}); alter table {TABLE} {state} trigger {name}".encode()
            )


def partitions(connection: Connection) -> int:
    return int(row(connection, f"select count(*) from pg_inherits where inhparent = '{TABLE}'::regclass")[0])


def test_every_month_has_every_trigger_of_its_table_as_it_is_there(provisioned):
    add_triggers(provisioned, "first")
    before = partitions(provisioned)
    provisioned.execute("select ops.make_partitions(5)")
    assert provisioned.execute(UNLIKE.encode()).fetchall() == [], "for months made before the triggers and after them"
    # One that stands on the table since, and a row that makes the spare partition be changed.
    add_triggers(provisioned, "second")
    provisioned.execute(INSERT.encode(), ("7 months",))
    provisioned.execute("select ops.make_partitions(8)")
    assert provisioned.execute(UNLIKE.encode()).fetchall() == []
    assert row(provisioned, f"select count(*) from {TABLE}_default") == (0,)
    assert partitions(provisioned) == before + 5


def test_what_somebody_took_away_from_one_month_is_not_put_back_unseen(provisioned):
    add_triggers(provisioned, "first")
    provisioned.execute("select ops.make_partitions(4)")
    (month,) = row(
        provisioned, f"select min(inhrelid::regclass::text) from pg_inherits where inhparent = '{TABLE}'::regclass"
    )
    provisioned.execute(
        f"drop trigger first_statement_0 on {month}; alter table {month} disable trigger first_row_0".encode()
    )
    provisioned.execute("select ops.make_partitions(6)")
    assert provisioned.execute(UNLIKE.encode()).fetchall() == [
        (month, "first_row_0", "O", "D"),
        (month, "first_statement_0", "O", None),
    ]


def test_a_table_in_use_waits_for_the_next_run_and_undoes_no_other_month(provisioned_database, alone):
    with psycopg.connect(provisioned_database.url) as reader:
        reader.execute(f"select from {TABLE}".encode())
        begun = time.monotonic()
        made, retired, waiting = row(alone, KEEP.format(5))
        assert time.monotonic() - begun < 5
    assert [name.startswith("user_activity_") for name in waiting] == [True, True]
    assert len(made) == 8
    assert retired == []
    assert row(alone, KEEP.format(5)) == (sorted(waiting), [], [])
    assert row(alone, KEEP.format(5)) == ([], [], [])


def test_an_old_month_in_use_waits_and_so_do_the_younger_ones_of_its_table(provisioned_database, alone):
    alone.execute("select ops.make_partitions(1, (now() - interval '17 months')::date)")
    alone.execute("select ops.make_partitions(1, (now() - interval '27 months')::date)")
    oldest = "select min(inhrelid::regclass::text) from pg_inherits where inhparent = 'audit.log'::regclass"
    with psycopg.connect(provisioned_database.url) as reader:
        reader.execute(f"select from {row(reader, oldest)[0]}".encode())
        made, retired, waiting = row(alone, KEEP.format(3))
    assert made == []
    assert all(name.startswith("log_") for name in waiting)
    assert len(waiting) in (2, 3)
    assert len(retired) % 4 == 0
    assert row(alone, "select count(*) from audit.retired") == (0,)
    assert row(alone, KEEP.format(3)) == ([], waiting, [])
    assert row(alone, "select count(*) from audit.retired") == (len(waiting),)


def test_each_month_is_a_transaction_of_its_own(alone):
    with alone.transaction(), pytest.raises(psycopg.errors.InvalidTransactionTermination):
        alone.execute(KEEP.format(5).encode())
    made = row(alone, KEEP.format(5))[0]
    writers = "select count(distinct xmin::text) from pg_class where relname = any(%s) and relkind = 'r'"
    assert row(alone, writers, (made,)) == (len(made),)


@pytest.mark.parametrize("keep", ["'1 day'", "'13 months', '1 day'"])
def test_what_is_to_be_kept_is_checked(alone, keep):
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        alone.execute(KEEP.format(f"3, {keep}").encode())


def test_housekeeping_tells_what_waits_and_fails_for_it(provisioned_database, alone):
    def kept_up() -> list[maintain.Done]:
        with psycopg.connect(provisioned_database.url, autocommit=True) as session:
            return list(maintain.Housekeeping(session, (13, 24), 60).run())

    alone.execute("drop table analytics.user_activity_default")
    done = kept_up()
    assert [each.failed for each in done] == [False] * len(done), done
    assert done[0].result == "made: user_activity_default"
    alone.execute("drop table analytics.error_logs_default")
    with psycopg.connect(provisioned_database.url) as reader:
        # Who makes or detaches a partition takes this lock on the table.
        reader.execute("lock table analytics.error_logs in share update exclusive mode")
        done = kept_up()
    assert done[0].failed
    assert done[0].result == "locked by others, left to the next run: error_logs_default"


def test_months_have_no_policy_that_their_table_lacks_while_only_migrations_have_run(connection):
    """Else an `up` that ends there leaves what the next one takes for a manual change."""
    provision.migrate_up(connection)
    lacking = """
        select i.inhrelid::regclass::text, p.polname
        from pg_inherits as i join pg_policy as p on p.polrelid = i.inhrelid
        where not exists (select from pg_policy as t where t.polrelid = i.inhparent and t.polroles @> p.polroles
            and t.polcmd = p.polcmd and pg_get_expr(t.polqual, t.polrelid) = pg_get_expr(p.polqual, p.polrelid))"""
    assert connection.execute(lacking).fetchall() == []
    assert row(connection, "select count(*) > 8 from pg_policy where polname like '%_select_backup'") == (True,)

"""Months of the audit trail: retired without breaking a chain, kept a year at least, and never lost unseen."""

import psycopg

from tests.sql.provision import Connection, refused, row
from tests.sql.trail import NEWEST, chain_again, entries, findings, unguarded


def made_old(connection: Connection, months: int, entries: int) -> str:
    """The first entries of the lane as they would be after so many months; the partition that they are in."""
    lane, _ = row(connection, NEWEST)
    with unguarded(connection):
        connection.execute(
            "update audit.log set created_at = created_at - make_interval(months => %s) "
            "where lane = %s and entry <= %s",
            (months, lane, entries),
        )
        chain_again(connection)
    connection.execute("select ops.make_partitions(0, (now() - make_interval(months => %s))::date)", (months,))
    return str(
        row(connection, "select tableoid::regclass::text from audit.log where lane = %s and entry = 1", (lane,))[0]
    )


def test_retired_months_leave_a_chain_that_is_whole(people):
    month = made_old(people, 30, 4)
    assert month != "audit.log_default"
    assert findings(people) == []
    retired = row(people, "select ops.retire_partitions('13 months')")[0]
    assert month.removeprefix("audit.") in retired
    assert row(people, "select min(entry) from audit.log") == (5,)
    assert findings(people) == []
    people.execute("update public.projects set title = 'later'")
    assert findings(people) == []
    # And once more: what was noted before is still where the lanes begin.
    made_older = "select partition, heads from audit.retired order by partition desc limit 1"
    before = row(people, made_older)
    people.execute("select ops.retire_partitions('13 months', '12 months')")
    assert row(people, made_older)[1] == before[1]
    assert findings(people) == []


def test_a_clock_that_goes_backwards_makes_no_entry_older_than_the_one_before_it(people):
    lane, _ = row(people, NEWEST)
    with unguarded(people):
        people.execute("update audit.heads set written_at = now() + interval '1 hour' where lane = %s", (lane,))
    people.execute("update public.users set time_zone = 'Asia/Tokyo'")
    assert row(people, "select max(created_at) > now() + interval '59 minutes' from audit.log") == (True,)
    people.execute("update public.users set time_zone = 'UTC'")
    times = "select created_at from audit.log where lane = %s order by entry"
    found = people.execute(times, (lane,)).fetchall()
    assert found == sorted(found)


def test_a_checkpoint_that_was_edited_is_named(people):
    made_old(people, 30, 4)
    people.execute("select ops.retire_partitions('13 months')")
    assert findings(people) == []
    lane, _ = row(people, NEWEST)
    with unguarded(people):
        people.execute("alter table audit.retired disable trigger _900_audit_update")
        # To cover up that the next entry is gone as well.
        people.execute("delete from audit.log where lane = %s and entry = 5", (lane,))
        people.execute("update audit.retired set heads = jsonb_set(heads, array[%s::text, '0'], '5')", (lane,))
    assert ("checkpoint", None, None) in findings(people)


def test_the_trail_is_kept_longer_than_the_analytics_and_never_less_than_a_year(people):
    month = made_old(people, 20, 4)
    assert month.removeprefix("audit.") not in row(people, "select ops.retire_partitions('1 month')")[0]
    for keep in ("1 day", "11 months"):
        said = refused(
            people, psycopg.errors.InvalidParameterValue, f"select ops.retire_partitions('13 months', '{keep}')"
        )
        assert "12 months at least" in said
    assert month.removeprefix("audit.") in row(people, "select ops.retire_partitions('13 months', '12 months')")[0]


def test_a_month_that_was_dropped_is_missing_whatever_audit_retired_says(people):
    month = made_old(people, 30, 4)
    lane, _ = row(people, NEWEST)
    hash4 = row(people, "select encode(hash, 'hex') from audit.log where lane = %s and entry = 4", (lane,))[0]
    people.execute(f"drop table {month}".encode())
    assert findings(people) == [("missing", lane, 1)]
    cover = (
        "insert into audit.retired (partition, heads) "
        "values (%s, jsonb_build_object(%s::text, jsonb_build_array(4, %s::text)))"
    )
    with people.transaction(force_rollback=True):
        people.execute("alter table audit.retired disable trigger user")
        people.execute(cover.encode(), (month, lane, hash4))
        people.execute("alter table audit.retired enable always trigger _900_audit_insert")
        assert ("checkpoint", None, None) in findings(people)
    people.execute(cover.encode(), (month, lane, hash4))
    # The owner of it all may say so, but not without an entry.
    assert findings(people) == []
    assert entries(people, "audit.retired", "operation, row_id, login") == [("insert", month, "postgres")]


def test_an_entry_of_a_month_that_was_not_made_is_kept_moved_and_guarded_again(people):
    (month,) = row(people, "select tableoid::regclass::text from audit.log limit 1")
    with unguarded(people):
        people.execute("create temporary table kept as select * from audit.log")
        people.execute(f"drop table {month}".encode())
        people.execute("insert into audit.log select * from kept")
    people.execute("update public.projects set title = 'x'")
    where = "select distinct tableoid::regclass::text from audit.log"
    assert people.execute(where).fetchall() == [("audit.log_default",)]
    people.execute("select ops.make_partitions(1)")
    assert people.execute(where).fetchall() == [(month,)]
    assert findings(people) == []
    refused(people, psycopg.errors.InsufficientPrivilege, "truncate audit.log_default")

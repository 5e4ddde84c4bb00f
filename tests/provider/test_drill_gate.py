"""What destroys data waits for a drill of a backup that has passed, and every run says where there was none in time."""

import pytest

from harness.engine import Refusal

TOKEN = "pg:index:DrillGate"
GATE = {"within": 8}
DESTRUCTIVE = {**GATE, "destructive": ["0007_projects", "snapshot-objects"]}


@pytest.fixture
def drills(world):
    """As migration 0037 has it, of a table."""
    world.sql(
        """create schema if not exists ops authorization app_owner;
           create table ops.noted (backup text, drilled_at timestamptz, passed boolean);
           create function ops.drills() returns table (backup text, drilled_at timestamptz, passed boolean)
               language sql security definer as 'select * from ops.noted order by drilled_at desc';
           revoke execute on function ops.drills() from public;
           alter function ops.drills() owner to app_owner;
           grant select on ops.noted to app_owner"""
    )
    yield lambda days, passed: world.sql(
        f"insert into ops.noted values ('of {days}', now() - interval '{days} days', {passed})"
    )
    world.sql("drop function ops.drills(); drop table ops.noted")


def test_of_a_database_that_had_no_up_yet_nothing_is_said(world):
    assert world.engine.create(TOKEN, DESTRUCTIVE, preview=True)
    assert world.engine.create(TOKEN, DESTRUCTIVE).id == "drills"
    assert world.engine.reported() == []


def test_before_there_is_a_server_there_is_nothing_to_ask(unconnected):
    assert unconnected.create(TOKEN, DESTRUCTIVE, preview=True)


def test_a_drill_in_time_opens_the_gate(world, drills):
    drills(20, True)
    drills(7, True)
    drills(1, False)
    gate = world.engine.create(TOKEN, GATE)
    assert world.engine.diff(gate, DESTRUCTIVE) == []
    assert world.engine.reported() == []
    assert world.engine.diff(gate, {"within": 6}) == ["within"]
    assert "of backup of 7, was 7 days ago, and database:backups wants one in 6 days" in world.engine.reported()[-1]


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        ([], "no restore drill of a backup has passed yet, and database:backups wants one in 8 days"),
        ([(1, False)], "no restore drill of a backup has passed yet"),
        ([(1, False), (9, True)], "the last restore drill that passed, of backup of 9, was 9 days ago, and database:"),
    ],
)
def test_without_one_each_run_warns_in_a_line_and_what_destroys_is_refused(world, drills, noted, said):
    gate = world.engine.create(TOKEN, {"within": 366}) if noted else world.engine.create(TOKEN, GATE)
    for each in noted:
        drills(*each)
    world.engine.reported()
    world.engine.diff(gate, GATE)
    (line,) = world.engine.reported()
    assert line.startswith(f"warning: {said}")
    assert "\n" not in line
    assert "`./vpb restore-drill`" in line
    for run in (
        lambda: world.engine.diff(gate, DESTRUCTIVE),
        lambda: world.engine.create(TOKEN, DESTRUCTIVE, preview=True),
        lambda: world.engine.create(TOKEN, DESTRUCTIVE),
    ):
        with pytest.raises(Refusal) as caught:
            run()
        assert said in str(caught.value)
        assert "so nothing that holds data goes, though database:allow names 0007_projects, snapshot-objects" in str(
            caught.value
        )
        assert "\n" not in str(caught.value)


def test_who_may_not_ask_is_said_so(world, drills):
    drills(1, True)
    world.sql("alter function ops.drills() owner to current_user")
    gate = world.engine.create(TOKEN, GATE)
    world.engine.diff(gate, GATE)
    assert any("may not ask ops.drills()" in line for line in world.engine.reported()) is not world.superuser


def test_a_database_that_has_had_an_up_and_notes_no_drills_is_late(world):
    world.sql("create schema if not exists supabase_migrations; create table supabase_migrations.schema_migrations ()")
    try:
        with pytest.raises(Refusal, match=r"this database notes no restore drills, since it has no function"):
            world.engine.create(TOKEN, DESTRUCTIVE)
    finally:
        world.sql("drop table supabase_migrations.schema_migrations")


def test_it_holds_nothing_in_the_database(world, drills):
    gate = world.engine.create(TOKEN, GATE)
    assert world.engine.refresh(gate).state == gate.state
    world.engine.delete(gate)
    with pytest.raises(Refusal, match="can't be imported"):
        world.engine.bring_in(TOKEN, "drills")

"""The one question of whether row security hides rows from a login, asked beside what the login really sees."""

import psycopg
import pytest

from declared.rowsecurity import hidden, hides
from tests.conftest import Database
from tests.sql.provision import row

ROLES = "create role a_team; create role another; create role a_reader; grant a_team to a_reader"
TABLE = """
grant create on schema public to a_reader;
create table public.t as select g as id from generate_series(1, 9) as g;
alter table public.t enable row level security; grant select on public.t to a_reader
"""
ALL = "create policy everything on public.t to a_reader using (true)"
FEWER = f"{ALL}; create policy few on public.t as restrictive"
OWN = "alter table public.t owner to a_reader"
# What is done to a table, and whether the login sees less than all of it.
CASES = {
    "no row security": ("alter table public.t disable row level security", False),
    "no policy": ("", True),
    "some rows": ("create policy few on public.t to a_reader using (id < 5)", True),
    "all rows": (ALL, False),
    "all rows for everybody": ("create policy everything on public.t for select using (true)", False),
    "all rows for its team": ("create policy everything on public.t to a_team using (true)", False),
    "all rows for another role": ("create policy everything on public.t to another using (true)", True),
    "all rows, to change": ("create policy everything on public.t for update to a_reader using (true)", True),
    "fewer for it": (f"{FEWER} to a_reader using (id < 5)", True),
    "fewer for its team": (f"{FEWER} for select to a_team using (id < 5)", True),
    "fewer for another role": (f"{FEWER} to another using (id < 5)", False),
    "fewer to delete": (f"{FEWER} for delete to a_reader using (id < 5)", False),
    "fewer, which are all": (f"{FEWER} to a_reader using (true)", False),
    "its own table": (OWN, False),
    "its own table, forced": (f"{OWN}; alter table public.t force row level security", True),
}


@pytest.mark.parametrize("name", CASES)
def test_rows_that_are_said_to_be_hidden_are_and_no_others(database: Database, name: str):
    statements, expected = CASES[name]
    with psycopg.connect(database.url) as connection, connection.transaction(force_rollback=True):
        connection.execute(f"{ROLES}; {TABLE}; {statements}".encode())
        asked = f"select c.relrowsecurity and {hides('c.oid', 'r.oid')} from pg_class as c, pg_roles as r"
        (of_it,) = row(connection, f"{asked} where c.oid = 'public.t'::regclass and r.rolname = 'a_reader'")
        connection.execute("set local role a_reader")
        (of_itself,) = row(connection, f"select {hidden('c.oid')} from pg_class as c where oid = 'public.t'::regclass")
        assert row(connection, "select count(*) < 9 from public.t") == (of_itself,) == (expected,)
    # Of another login it isn't asked whether it is the owner, whom row security doesn't bind.
    assert of_it == expected or name == "its own table"

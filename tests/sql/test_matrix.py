"""The access matrix of `sql/access.md`, every cell tried on a real database; and every column that may be written.

A denial counts only where the same statement, run by the superuser, reaches the one row that it is about.
"""

from collections.abc import Iterator

import psycopg
import pytest

from declared import sqlaccess
from declared.grants import TABLES
from declared.privileges import ENTRY
from declared.roles import ROLES
from declared.schemas import SCHEMAS
from declared.sqlaccess import COMMANDS, Line
from declared.sqlfiles import SqlFileError
from tests.sql import matrix
from tests.sql.provision import Connection

LINES = sqlaccess.matrix()
WRITES = {
    "insert": 'insert into {table} ("{column}") values (default)',
    "update": 'update {table} set "{column}" = default',
}
SIGNS = {"no row": ".", "refused": ".", "no right": "-"}


@pytest.fixture(scope="module")
def world(shared: Connection) -> Iterator[Connection]:
    """The superuser, with a row for each line of the matrix."""
    with shared.transaction(force_rollback=True):
        matrix.populate(shared)
        yield shared


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.table}, {line.rows}")
def test_the_matrix_is_what_the_database_does(world: Connection, line: Line) -> None:
    found = {who: tried(world, line, who) for who in matrix.WHO}
    wrong = [
        f"{line.place}: {who} has {cell}, not {line.cells[who]}"
        for who, cell in found.items()
        if cell != line.cells[who]
    ]
    assert wrong == []


def test_the_servers_reach_the_same_where_their_role_cannot_be_made_to_bypass_row_security(world: Connection) -> None:
    with world.transaction(force_rollback=True):
        world.execute("alter role service_role nobypassrls")
        for line in LINES:
            assert tried(world, line, "service_role") == line.cells["service_role"], line.place


def tried(world: Connection, line: Line, who: str) -> str:
    """The cell as the database has it."""
    expected, found = line.cells[who], ""
    given, claims = matrix.values(who), matrix.claims(who)
    for command, sign, statement in zip(COMMANDS, expected, matrix.STATEMENTS[line.table, line.rows], strict=True):
        if sign == "_":
            found += sign
            continue
        if matrix.tried(world, None, statement, given, claims) != "allowed":
            return f"nothing that {command} could reach"
        came = matrix.tried(world, who, statement, given, claims)
        found += command[0] if came == "allowed" else SIGNS[came]
    return found


def test_the_matrix_has_every_table_everybody_and_a_statement_for_each_line() -> None:
    assert {(line.table, line.rows) for line in LINES} == matrix.STATEMENTS.keys()
    assert all(line.cells.keys() == matrix.WHO.keys() for line in LINES)
    views = {table for table in TABLES if table.startswith("authjs.")} | {
        "analytics.daily_usage",
        "analytics.project_totals",
        "analytics.usage_overview",
    }
    assert {line.table for line in LINES} == TABLES.keys() - views


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("| a.b | any | `siud` |\n", "3: 3 fields, where the table's head has 4"),
        ("| a.b | any | `siud` | `sdui` |\n", "3: anon has `sdui`"),
        ("| a.b | any | | |\n| a.b | any | | |\n", "4: a.b, any, is there already"),
    ],
)
def test_a_matrix_that_cannot_be_read_is_refused_with_its_line(tmp_path, text, reason):
    path = tmp_path / "access.md"
    path.write_text(f"| table | rows | owner | anon |\n|---|---|---|---|\n{text}")
    with pytest.raises(SqlFileError) as error:
        sqlaccess.matrix(path)
    assert reason in str(error.value)


def test_a_guard_of_another_command_is_refused_with_its_line(tmp_path):
    path = tmp_path / "access.md"
    path.write_text("| table | columns | commands | because |\n|---|---|---|---|\n| a.b | c | delete | so |\n")
    with pytest.raises(SqlFileError) as error:
        sqlaccess.guards(path)
    assert "access.md:3: a column is kept from insert, update or both, not from delete" in str(error.value)


def declared(table: str, role: str, command: str, columns: list[str]) -> set[str]:
    """The columns that `declared/grants.py` gives a role for a command."""
    for entry in TABLES[table].get(role, []):
        match = ENTRY.fullmatch(entry)
        assert match
        if match["word"] == command:
            return {column.strip() for column in (match["columns"] or ",".join(columns)).split(",")}
    return set()


def columns_of(connection: Connection, table: str) -> list[str]:
    query = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
    return [name for (name,) in connection.execute(query, (table,))]


@pytest.mark.parametrize("table", TABLES)
def test_each_role_has_exactly_the_declared_columns(world, table):
    columns = columns_of(world, table)
    query = "select c from unnest(%s::text[]) as c where has_column_privilege(%s, %s, c, %s)"
    found, expected = {}, {}
    for role in sorted(ROLES.keys() - SCHEMAS.values()):
        for command in COMMANDS[:3]:
            reads_all = command == "select" and "pg_read_all_data" in ROLES[role].member_of
            found[role, command] = {column for (column,) in world.execute(query, (columns, role, table, command))}
            expected[role, command] = set(columns) if reads_all else declared(table, role, command, columns)
    assert found == expected


def may_write(connection: Connection, who: str, command: str, table: str, column: str) -> bool:
    """Whether an attempt gets past the privileges; what becomes of it there is another matter."""
    text = WRITES[command].format(table=table, column=column)
    try:
        return matrix.tried(connection, who, text, {}, matrix.claims(who)) != "no right"
    except psycopg.errors.InsufficientPrivilege:
        raise
    except psycopg.errors.FeatureNotSupported:
        # A column of a view that is computed.
        return False
    except psycopg.Error:
        return True


@pytest.mark.parametrize("table", TABLES)
def test_no_column_can_be_written_but_the_declared_ones(world, table):
    columns = columns_of(world, table)
    cells = [(who, command) for who in ("owner", "authjs") for command in WRITES]
    found = {cell: {column for column in columns if may_write(world, *cell, table, column)} for cell in cells}
    assert found == {(who, command): declared(table, matrix.WHO[who][0], command, columns) for who, command in cells}


@pytest.mark.parametrize("guard", sqlaccess.guards(), ids=lambda guard: f"{guard.table} {guard.columns[0]}")
def test_what_no_person_writes_cannot_be_written_by_the_owner_either(world, guard):
    assert set(guard.columns) <= set(columns_of(world, guard.table))
    for command in guard.commands:
        written = [column for column in guard.columns if may_write(world, "owner", command, guard.table, column)]
        assert not written, f"{command} is granted: {guard.because}"

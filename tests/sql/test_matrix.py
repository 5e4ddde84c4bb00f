"""The access matrix of `sql/access.md`, every cell tried on a real database; and every column that may be written.

A denial counts only where the same statement, run by the superuser, reaches the one row that it is about.
"""

from collections.abc import Iterator

import pytest

from declared import sqlaccess
from declared.grants import TABLES
from declared.privileges import ENTRY
from declared.roles import ROLES
from declared.schemas import SCHEMAS
from declared.sqlaccess import COMMANDS, Line
from declared.sqlfiles import SqlFileError
from tests.sql import matrix, trials
from tests.sql.provision import Connection
from tests.sql.trials import LINES


@pytest.fixture(scope="module")
def world(shared: Connection) -> Iterator[Connection]:
    """The superuser, with a row for each line of the matrix."""
    with shared.transaction(force_rollback=True):
        matrix.populate(shared)
        yield shared


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.table}, {line.rows}")
def test_the_matrix_is_what_the_database_does(world: Connection, line: Line) -> None:
    wrong = [each for who in matrix.WHO for each in trials.cells(world, line, who, control=True)]
    wrong += [each for who in matrix.WHO for each in trials.upserted(world, line, who)]
    assert wrong == []


@pytest.mark.parametrize("table", sorted({line.table for line in LINES}))
def test_a_write_that_reads_no_column_reaches_the_rows_of_the_matrix_and_no_others(
    world: Connection, table: str
) -> None:
    """A policy for select doesn't guard it: that of the command has to keep everybody to their rows alone."""
    wrong = []
    for who in matrix.WHO:
        wrong += [each for command in ("update", "delete") for each in trials.blind(world, table, who, command, True)]
        wrong += trials.defaults(world, table, who)
    assert [*wrong, *trials.owners(world, table), *trials.behind(world, table)] == []


@pytest.mark.parametrize("who", ["service_role", "backup"])
def test_servers_and_backups_reach_the_same_where_no_role_can_be_made_to_bypass_row_security(
    world: Connection, who: str
) -> None:
    with world.transaction(force_rollback=True):
        world.execute(f"alter role {who} nobypassrls".encode())
        assert [each for line in LINES for each in trials.cells(world, line, who)] == []


def test_the_matrix_has_every_table_everybody_and_a_statement_for_each_line() -> None:
    assert {(line.table, line.rows) for line in LINES} == matrix.STATEMENTS.keys()
    assert all(line.cells.keys() == matrix.WHO.keys() for line in LINES)
    views = {table for table in TABLES if table.startswith("authjs.")} | {"audit.entries"}
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


@pytest.mark.parametrize("table", TABLES)
def test_each_role_has_exactly_the_declared_columns(world, table):
    columns = trials.columns_of(world, table)
    query = "select c from unnest(%s::text[]) as c where has_column_privilege(%s, %s, c, %s)"
    found, expected = {}, {}
    for role in sorted(ROLES.keys() - SCHEMAS.values()):
        for command in COMMANDS[:3]:
            reads_all = command == "select" and "pg_read_all_data" in ROLES[role].member_of
            found[role, command] = {column for (column,) in world.execute(query, (columns, role, table, command))}
            expected[role, command] = set(columns) if reads_all else declared(table, role, command, columns)
    assert found == expected


@pytest.mark.parametrize("table", TABLES)
def test_no_column_can_be_written_but_the_declared_ones(world, table):
    columns = trials.columns_of(world, table)
    cells = [(who, command) for who in ("owner", "authjs") for command in trials.WRITES]
    found = {cell: {column for column in columns if trials.may_write(world, *cell, table, column)} for cell in cells}
    assert found == {(who, command): declared(table, matrix.WHO[who][0], command, columns) for who, command in cells}


@pytest.mark.parametrize("guard", trials.GUARDS, ids=lambda guard: f"{guard.table} {guard.columns[0]}")
def test_what_no_person_writes_is_a_column_that_there_is(world, guard):
    assert set(guard.columns) <= set(trials.columns_of(world, guard.table))


@pytest.mark.parametrize("table", sorted({line.table for line in LINES}))
def test_what_no_person_writes_cannot_be_written_by_the_owner_either(world, table):
    assert [*trials.forbidden(world, table, trials.columns_of(world, table))] == []

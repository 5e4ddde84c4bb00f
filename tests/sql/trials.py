"""What the access matrix says, tried on a database in which a superuser has the rows of `tests/sql/matrix.py`.

A statement of a cell reads columns, so that the select policy guards it too. Who writes without reading any is kept by
the policy of the command alone: `blind` tries that, `upserted` tries `insert … on conflict`. Each function here yields
what is otherwise than `sql/access.md` has it, one line for each.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql

from declared import sqlaccess
from declared.sqlaccess import COMMANDS, Guard, Line
from tests.sql import matrix
from tests.sql.provision import Connection

LINES = sqlaccess.matrix()
GUARDS = sqlaccess.guards()
SIGNS = {"no row": ".", "refused": ".", "no right": "-"}
WRITES = {
    "insert": 'insert into {table} ("{column}") values (default)',
    "update": 'update {table} set "{column}" = default',
}
# Who writes what no person may: without a token, and with every right that a token gives but the super administrator's.
NEVER = ("anon", "owner")


def tried(connection: Connection, who: str, statement: str, rows: int = 1) -> str:
    """What comes of a statement: allowed, no row, refused, no right, or another number of rows than is meant."""
    return attempted(connection, matrix.WHO[who][0], who, statement, rows)


def attempted(
    connection: Connection,
    role: str | None,
    who: str,
    statement: str,
    rows: int = 1,
    given: dict[str, Any] | None = None,
) -> str:
    """The same as another role, or as the superuser, with somebody's claims."""
    try:
        with connection.transaction(force_rollback=True):
            _become(connection, role, who)
            count = connection.execute(statement.encode(), given or matrix.values(who)).rowcount
    except psycopg.errors.InsufficientPrivilege as error:
        return _refusal(error)
    return {0: "no row", rows: "allowed"}.get(count, f"{count} rows")


def _become(connection: Connection, role: str | None, who: str) -> None:
    settings = "select set_config('request.jwt.claims', %s, true), set_config('realtime.topic', %s, true)"
    connection.execute(settings, (matrix.claims(who), f"project:{matrix.VALUES['shared']}"))
    if role:
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))


def _refusal(error: psycopg.errors.InsufficientPrivilege) -> str:
    said = str(error)
    # The one is row security's, the other a trigger's behind it.
    if "row-level security policy" in said or "may not edit the project" in said:
        return "refused"
    if re.match(r"permission denied for (schema|table|view|materialized view) ", said):
        return "no right"
    raise error


def lines_of(table: str) -> list[Line]:
    """The lines of a table."""
    return [line for line in LINES if line.table == table]


def cells(
    connection: Connection, line: Line, who: str, commands: Collection[str] = COMMANDS, control: bool = False
) -> Iterator[str]:
    """The statements of a line. Under `control` the superuser has to reach the rows by the same statement."""
    rows = matrix.ROWS.get((line.table, line.rows), 1)
    for command, sign, statement in zip(
        COMMANDS, line.cells[who], matrix.STATEMENTS[line.table, line.rows], strict=True
    ):
        if sign == "_" or command not in commands:
            continue
        if control and attempted(connection, None, who, statement, rows) != "allowed":
            yield f"{line.location}: {who}: nothing that {command} could reach"
        came = tried(connection, who, statement, rows)
        found = command[0] if came == "allowed" else SIGNS.get(came, came)
        if found != (sign if sign.islower() else sign.replace("U", ".").replace("D", ".")):
            yield f"{line.location}: {who}: {command} is {found}, not {sign}"


def blind(connection: Connection, table: str, who: str, command: str, control: bool = False) -> Iterator[str]:
    """`update` or `delete` without a condition: it reaches the rows that their lines say, and no others.

    A line about what a row becomes, which has no rows of its own, says what is refused.
    """
    by_statement: dict[str, list[Line]] = {}
    for line in lines_of(table):
        sign = _sign(line, who, command)
        if sign in ".-" or "_" not in (line.cells[who][0], sign):
            statement = matrix.STATEMENTS[table, line.rows][COMMANDS.index(command)].partition(" where ")[0]
            by_statement.setdefault(statement, []).append(line)
    for statement, lines in by_statement.items():
        if control and "_" not in [line.cells[who][0] for line in lines]:
            missed = [
                rows for rows, came in _reached(connection, None, who, statement, lines).items() if came != "allowed"
            ]
            yield from (f"{table}: {rows}: {statement} by the superuser doesn't reach it" for rows in missed)
        came = _reached(connection, matrix.WHO[who][0], who, statement, lines)
        for line in lines:
            found, sign = came[line.rows], _sign(line, who, command).lower()
            if (command[0] if found == "allowed" else SIGNS.get(found, found)) != sign:
                yield f"{line.location}: {who}: {statement} is {found}, not {sign}"


def _sign(line: Line, who: str, command: str) -> str:
    return line.cells[who][COMMANDS.index(command)]


def _reached(
    connection: Connection, role: str | None, who: str, statement: str, lines: Sequence[Line]
) -> dict[str, str]:
    """For each line whether a write has reached all of its rows or none. Who is refused reaches none."""
    places = {line.rows: _places(connection, who, matrix.STATEMENTS[line.table, line.rows][0]) for line in lines}
    try:
        with connection.transaction(force_rollback=True):
            _become(connection, role, who)
            connection.execute(statement.encode(), matrix.values(who))
            connection.execute("reset role")
            # A row that was written is somewhere else afterwards, one that was deleted nowhere.
            left = _places(connection, who, f"select from {lines[0].table}") if lines else set()
    except psycopg.errors.InsufficientPrivilege as error:
        return dict.fromkeys(places, _refusal(error))
    except psycopg.errors.ForeignKeyViolation:
        # What refers to a row is asked last.
        return dict.fromkeys(places, "allowed")
    return {
        rows: "no row" if found <= left else "some rows" if found & left else "allowed"
        for rows, found in places.items()
    }


def _places(connection: Connection, who: str, statement: str) -> set[tuple[Any, ...]]:
    query = statement.replace("select from", "select tableoid, ctid::text from")
    return set(connection.execute(query.encode(), matrix.values(who)))


def upserted(connection: Connection, line: Line, who: str) -> Iterator[str]:
    """`insert … on conflict do update`, of a row that is there: who may update it may, nobody else."""
    sign = _sign(line, who, "update")
    if line.table not in matrix.UPSERTS or "_" in (line.cells[who][0], sign):
        return
    key, statement = matrix.UPSERTS[line.table]
    where = matrix.STATEMENTS[line.table, line.rows][0].partition(" where ")[2]
    found = connection.execute(f"select {key} from {line.table} where {where}".encode(), matrix.values(who)).fetchone()
    assert found, f"{line.location}: no such row"
    given = matrix.values(who) | dict(zip(key.split(", "), found, strict=True))
    expected = {"u": "allowed", "-": "no right"}.get(sign, "refused")
    came = attempted(connection, matrix.WHO[who][0], who, statement, given=given)
    if came != expected:
        yield f"{line.location}: {who}: an upsert is {came}, not {expected}"


def defaults(connection: Connection, table: str, who: str) -> Iterator[str]:
    """`insert … default values`: nobody owns what nothing is said of. Servers and super administrators may say it."""
    signs = {_sign(line, who, "insert") for line in lines_of(table)} - {"_"}
    if who == "super" or matrix.WHO[who][0] not in ("anon", "authenticated") or not signs:
        return
    expected = "no right" if signs == {"-"} else "refused"
    came = tried(connection, who, f"insert into {table} default values")
    if came != expected:
        yield f"{table}: {who}: insert … default values is {came}, not {expected}"


def owners(connection: Connection, table: str) -> Iterator[str]:
    """What the owner role's policies keep from its own functions."""
    for person, statement, expected in matrix.OWNERS.get(table, ()):
        came = attempted(connection, "app_owner", person, statement)
        if came != expected:
            yield f"{statement}, as app_owner: {came}, not {expected}"


def behind(connection: Connection, table: str) -> Iterator[str]:
    """What row policies keep where the column were granted."""
    for who, privilege, statement in matrix.BEHIND.get(table, ()):
        with connection.transaction(force_rollback=True):
            connection.execute(f"grant {privilege} on {table} to authenticated".encode())
            came = tried(connection, who, statement)
        if came != "refused":
            yield f"{statement}, by {who} with a grant to {privilege}: {came}, not refused"


def may_write(connection: Connection, who: str, command: str, table: str, column: str) -> bool:
    """Whether an attempt gets past the privileges; what becomes of it there is another matter."""
    try:
        return tried(connection, who, WRITES[command].format(table=table, column=column)) != "no right"
    except psycopg.errors.InsufficientPrivilege:
        raise
    except psycopg.errors.FeatureNotSupported:
        # A column of a view that is computed.
        return False
    except psycopg.Error:
        return True


def forbidden(connection: Connection, table: str, columns: Collection[str]) -> Iterator[str]:
    """Columns that no person may write: guarded ones, and all where a command is refused in each line of the table."""
    for who in NEVER:
        for command in WRITES:
            kept = {column for guard in _guards(table, command) for column in guard.columns}
            refused = {_sign(line, who, command) for line in lines_of(table)} - {"_"} == {"-"}
            for column in columns:
                if (refused or column in kept) and may_write(connection, who, command, table, column):
                    yield f"{table}: {who} has a right to {command} {column}"


def _guards(table: str, command: str) -> list[Guard]:
    return [guard for guard in GUARDS if guard.table == table and command in guard.commands]


def columns_of(connection: Connection, table: str) -> list[str]:
    """The names of a table's columns."""
    query = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
    return [name for (name,) in connection.execute(query, (table,))]

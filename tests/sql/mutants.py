"""`make mutants`: every guard taken away in turn; does the access matrix notice?

A guard is an expression (`USING`, `WITH CHECK`) of a row policy, a condition in it or in a function it asks, the roles
that it is for, a right on a table or on a column that visitors or people don't have. Each mutant is one change of a
database with everything else in place, tried with the cells of its tables (`tests/sql/trials.py`) and rolled back. What
no cell can notice is named in `equivalent_mutants.toml`, with the reason why nothing is more open than before. Status 1
where a mutant is neither noticed nor named, or where something is noticed without any.
"""

import argparse
import functools
import itertools
import re
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import psycopg
from pglast import ast, parser
from pglast.stream import RawStream

from declared import sqlfiles
from declared.sqlaccess import COMMANDS
from declared.sqlfiles import RowPolicy
from declared.sqlgrammar import COMMENTS, parsed, walk
from harness import scratch
from tests.sql import matrix, trials
from tests.sql.provision import SQL, Connection

# Neither noticed nor named; named, although it is noticed.
WRONG = ("missed", "misnamed")
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
ROLES = dict.fromkeys(role for role, _ in matrix.WHO.values())
VISITORS = ("anon", "authenticated")
OPENING, CLOSING = "ASCII_40", "ASCII_41"
# What an operand of `and` ends at, in either direction; the last two are `;` and `,`.
ENDS = (
    *("AND", "OR", "WHERE", "ON", "WHEN", "THEN", "ELSE", "END_P", "IF_P", "RETURN"),
    *("LIMIT", "UNION", "ORDER", "GROUP_P", "INTO", "ASCII_59", "ASCII_44"),
)
EXPRESSIONS = {"using": "using", "check": "with check"}
CAN = """
select has_schema_privilege(%(role)s, split_part(%(table)s::text, '.', 1), 'usage')
    and has_any_column_privilege(%(role)s, %(table)s::text, %(command)s)"""
CAN_DELETE = """
select has_schema_privilege(%(role)s, split_part(%(table)s::text, '.', 1), 'usage')
    and has_table_privilege(%(role)s, %(table)s::text, 'delete')"""
# What is computed can be written by nobody.
CLOSED_COLUMNS = """
select attname from pg_catalog.pg_attribute
where attrelid = %(table)s::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''
    and not has_column_privilege(%(role)s, attrelid, attnum, %(command)s)
    and has_schema_privilege(%(role)s, split_part(%(table)s::text, '.', 1), 'usage')
order by attnum"""


@dataclass(frozen=True)
class Mutant:
    """One guard less: its name, the statement that takes it away, and who may now do more by which commands."""

    kind: str
    tables: tuple[str, ...]
    name: str
    statement: str
    roles: tuple[str, ...]
    commands: tuple[str, ...]
    column: str = ""


def all_of(connection: Connection) -> list[Mutant]:
    """Every mutant, in the order of the files."""
    policies = sqlfiles.row_policies(SQL / "policies")
    found = [mutant for policy in policies for mutant in (*expressions(policy), *conditions(policy))]
    found += [*functions(connection, policies), *widened(connection, policies)]
    tables = dict.fromkeys(line.table for line in trials.LINES)
    return found + [mutant for table in tables for mutant in granted(connection, table)]


def expressions(policy: RowPolicy) -> Iterator[Mutant]:
    """Each expression that says something made `true`, and both at once."""
    said = [expression for expression in EXPRESSIONS if getattr(policy, expression) not in (None, "true")]
    for expression in said:
        yield _altered("expression", policy, f"{EXPRESSIONS[expression]} (true)", f"{EXPRESSIONS[expression]} (true)")
    if len(said) == 2:
        yield _altered("expression", policy, "both expressions true", "using (true) with check (true)")


def conditions(policy: RowPolicy) -> Iterator[Mutant]:
    """Each operand of each `and` made `true`."""
    for kind, word in EXPRESSIONS.items():
        for dropped, left in _without_one(getattr(policy, kind) or "true"):
            yield _altered("condition", policy, f"{word} without {dropped}", f"{word} ({left})")


def _without_one(expression: str) -> Iterator[tuple[str, str]]:
    """What was left out, and what is left."""
    for number, node in enumerate(walk(_expression(expression))):
        if isinstance(node, ast.BoolExpr) and node.boolop == 0:
            for place, operand in enumerate(node.args or ()):
                yield RawStream()(operand), _left(expression, number, place)


def _left(expression: str, number: int, place: int) -> str:
    tree = _expression(expression)
    node = next(itertools.islice(walk(tree), number, None))
    node.args = (*node.args[:place], _expression("true"), *node.args[place + 1 :])
    return RawStream()(tree)


def _expression(expression: str) -> Any:
    return parsed(f"select {expression}").targetList[0].val


def functions(connection: Connection, policies: Sequence[RowPolicy]) -> Iterator[Mutant]:
    """Each operand of each `and` in the functions that the policies of people ask, and those that these ask."""
    asked: dict[str, dict[str, None]] = {}
    peoples = [policy for policy in policies if {*VISITORS, "storage_service"} & {*policy.roles}]
    todo = [(name, policy.table) for policy in peoples for name in _called(f"{policy.using} {policy.check}")]
    while todo:
        name, table = todo.pop(0)
        if table not in asked.setdefault(name, {}):
            asked[name][table] = None
            todo += [(called, table) for _, body in _bodies(connection, name) for called in _called(body)]
    for name, tables in asked.items():
        for definition, body in _bodies(connection, name):
            for start, end in _operands(body):
                text = f"{name}: without {' '.join(body[start:end].split())}"
                statement = definition.replace(body, f"{body[:start]} true {body[end:]}")
                yield Mutant("function", tuple(tables), text, statement, (*VISITORS, "storage_service"), COMMANDS)


def _called(text: str) -> list[str]:
    return re.findall(r"\bprivate\.\w+(?=\()", text)


def _bodies(connection: Connection, name: str) -> list[tuple[Any, ...]]:
    query = (
        "select pg_get_functiondef(oid), prosrc from pg_catalog.pg_proc where oid::regproc::text = %s and prosrc != ''"
    )
    return connection.execute(query, (name,)).fetchall()


def _operands(body: str) -> Iterator[tuple[int, int]]:
    """Where the operands of each `and` stand in a function's text."""
    tokens = [token for token in parser.scan(body) if token.name not in COMMENTS]
    ranges = set()
    for number, token in enumerate(tokens):
        if token.name == "AND" and not _of_range(tokens[:number]):
            before, after = _reach(tokens[:number][::-1], CLOSING), _reach(tokens[number + 1 :], OPENING)
            ranges |= {(number - before, number - 1), (number + 1, number + after)}
    for first, last in sorted(ranges):
        yield tokens[first].start, tokens[last].end + 1


def _of_range(before: Sequence[Any]) -> bool:
    """Whether an `and` is that of a `between`."""
    return next((token.name for token in reversed(before) if token.name in ("AND", "OR", "BETWEEN")), "") == "BETWEEN"


def _reach(tokens: Sequence[Any], opening: str) -> int:
    """How many tokens from here on belong to the same operand; `opening` is the bracket that comes first."""
    depth = 0
    for number, token in enumerate(tokens):
        if token.name in ENDS and not depth:
            return number
        if token.name in (OPENING, CLOSING):
            depth += 1 if token.name == opening else -1
        if depth < 0:
            return number
    return len(tokens)


def widened(connection: Connection, policies: Sequence[RowPolicy]) -> Iterator[Mutant]:
    """One role more for each policy, where the role has a right that row security binds."""
    bypass = {role for (role,) in connection.execute("select rolname from pg_catalog.pg_roles where rolbypassrls")}
    for policy, role in itertools.product(policies, ROLES):
        # A restrictive policy lets nobody do more.
        if role in bypass or role in policy.roles or policy.kind == "restrictive":
            continue
        commands = tuple(
            command
            for command in (COMMANDS if policy.command == "all" else (policy.command,))
            if _can(connection, role, policy.table, command) and not _open(policies, role, policy.table, command)
        )
        if commands:
            name = f"{policy.name}: to {role} too"
            statement = f"alter policy {policy.name} on {policy.table} to {', '.join((*policy.roles, role))}"
            commands = COMMANDS if "select" in commands else commands
            yield Mutant("role", (policy.table,), name, statement, (role,), commands)


def _open(policies: Sequence[RowPolicy], role: str, table: str, command: str) -> bool:
    """Whether a policy lets a role do this with every row: no other can let it do more."""
    return any(
        policy.table == table
        and role in policy.roles
        and policy.command in (command, "all")
        and {policy.using, policy.check} <= {None, "true"}
        for policy in policies
    )


def untouched(table: str) -> Mutant:
    """Nothing taken away, and everything tried."""
    return Mutant("none", (table,), f"{table}: nothing", "select", (*ROLES, "app_owner"), COMMANDS)


def _can(connection: Connection, role: str, table: str, command: str) -> bool:
    query = CAN_DELETE if command == "delete" else CAN
    found = connection.execute(query.encode(), {"role": role, "table": table, "command": command}).fetchone()
    return bool(found and found[0])


def granted(connection: Connection, table: str) -> Iterator[Mutant]:
    """Each right that visitors or people don't have, granted: to read or delete, and to write a column."""
    for role in VISITORS:
        for command in ("select", "delete"):
            if not _can(connection, role, table, command):
                statement = (
                    f"grant {command} on {table} to {role}; grant usage on schema {table.split('.')[0]} to {role}"
                )
                yield Mutant("grant", (table,), f"{table}: {command} by {role}", statement, (role,), (command,))
        for command in trials.WRITES:
            given = {"table": table, "role": role, "command": command}
            for (column,) in connection.execute(CLOSED_COLUMNS.encode(), given).fetchall():
                statement = f'grant {command} ("{column}") on {table} to {role}'
                name = f"{table}: {command} {column} by {role}"
                yield Mutant("column", (table,), name, statement, (role,), (command,), column)


def _altered(kind: str, policy: RowPolicy, name: str, text: str) -> Mutant:
    commands = COMMANDS if policy.command in ("select", "all") else (policy.command,)
    statement = f"alter policy {policy.name} on {policy.table} {text}"
    return Mutant(kind, (policy.table,), f"{policy.name}: {name}", statement, policy.roles, commands)


def noticed(connection: Connection, mutant: Mutant) -> str | None:
    """The first cell that is otherwise with the mutant in place; None where there is none."""
    with connection.transaction(force_rollback=True):
        connection.execute(mutant.statement.encode())
        try:
            return next(_wrong(connection, mutant), None)
        except psycopg.Error as error:
            return f"{type(error).__name__}: {error.diag.message_primary}"


def _wrong(connection: Connection, mutant: Mutant) -> Iterator[str]:
    for table in mutant.tables:
        if mutant.column:
            yield from trials.forbidden(connection, table, [mutant.column])
        else:
            yield from _wrong_cells(connection, mutant, table)


def _wrong_cells(connection: Connection, mutant: Mutant, table: str) -> Iterator[str]:
    for who in (who for who, (role, _) in matrix.WHO.items() if role in mutant.roles):
        for line in trials.lines_of(table):
            yield from trials.cells(connection, line, who, mutant.commands)
            yield from trials.upserted(connection, line, who)
        for command in mutant.commands:
            if command in ("update", "delete"):
                yield from trials.blind(connection, table, who, command)
        yield from trials.defaults(connection, table, who)
    if "authenticated" in mutant.roles:
        yield from trials.behind(connection, table)
    if "app_owner" in mutant.roles:
        yield from trials.owners(connection, table)


@functools.cache
def reasons() -> dict[str, str]:
    """Of each pattern of equivalent mutants why it is one."""
    read = tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    return {name: each["because"] for each in read for name in each["mutants"]}


def reason(mutant: Mutant) -> str | None:
    """Why a mutant can't be noticed, where it is named."""
    return next((because for name, because in reasons().items() if fnmatchcase(mutant.name, name)), None)


def verdict(connection: Connection, mutant: Mutant) -> tuple[str, str]:
    """What comes of a mutant, and what has noticed it or why nothing can."""
    because, by = reason(mutant), noticed(connection, mutant)
    if by:
        return ("misnamed", by) if because else ("noticed", by)
    return ("equivalent", because) if because else ("missed", f"no cell of {', '.join(mutant.tables)} is otherwise")


def main() -> int:
    options = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    options.add_argument("--only", default="", help="mutants with this in their name")
    options.add_argument("--verbose", action="store_true", help="say of each what notices it, or why nothing can")
    arguments = options.parse_args()
    with scratch.server() as server:
        scratch.complete(server.url())
        with psycopg.connect(server.url()) as connection:
            connection.execute("set search_path = ''")
            matrix.populate(connection)
            return tally(connection, arguments.only, arguments.verbose)


def tally(connection: Connection, only: str, verbose: bool) -> int:
    """Try all, and nothing at all, which must not be noticed; say how many were noticed, by kind.

    :returns: 1 where something is wrong
    """
    begin, counts = time.monotonic(), dict[str, Counter[str]]()
    for mutant in [each for each in all_of(connection) if only in each.name]:
        outcome, why = verdict(connection, mutant)
        counts.setdefault(mutant.kind, Counter())[outcome] += 1
        if verbose or outcome in WRONG:
            print(f"{outcome}: {mutant.name}: {why}", flush=True)
    noise = [by for table in {line.table for line in trials.LINES} if (by := noticed(connection, untouched(table)))]
    for by in noise:
        print(f"without any mutant: {by}")
    for kind, count in counts.items():
        print(f"{kind:9} {count.total():4} mutants: {', '.join(f'{number} {word}' for word, number in count.items())}")
    print(f"{sum(map(Counter.total, counts.values()))} in {time.monotonic() - begin:.0f} s")
    return 1 if noise or any(count[outcome] for count in counts.values() for outcome in WRONG) else 0


if __name__ == "__main__":
    sys.exit(main())

"""The statements that took most time, each query pattern with its plan."""

import re
from dataclasses import asdict, dataclass

import psycopg
from psycopg import sql

from declared.sqlqueries import Query, queries
from ops.database import Connection
from ops.errors import CommandError, answered
from ops.health import report
from ops.health.report import Statement
from ops.report.model import NotRead, Subject

# So many patterns, so many others, and among how many they are looked for.
PATTERNS, OTHERS, AMONG = 8, 5, 500
# The option GENERIC_PLAN of EXPLAIN.
GENERIC = 160000
OF_NO_PATTERN = "it is none of the patterns in sql/queries: only these are planned, since planning runs functions"
COUNTED = """
select exists (select from pg_catalog.pg_extension where extname = 'pg_stat_statements'),
    current_setting('shared_preload_libraries') like '%pg_stat_statements%'"""


@dataclass(frozen=True)
class Planned(Statement):
    """A statement with what its pattern is for, and the plan that it has whatever its parameters are."""

    purpose: str = ""
    plan: str = ""
    no_plan: str = ""
    """Why there is none."""


def read(subject: Subject) -> list[Planned]:
    """The query patterns first, then what is none of them; what took most time first.

    :raises NotRead: where the server counts no statements
    :raises CommandError: where the database can't be reached
    """
    with subject.monitor() as connection:
        counted = report.statements(connection, AMONG)
        if not counted:
            raise NotRead(_why_none(connection))
    found = [each for each in counted if each.pattern][:PATTERNS]
    found += [each for each in counted if not each.pattern][:OTHERS]
    known = {each.name: each for each in queries()}
    try:
        with subject.admin() as connection:
            return [_planned(connection, each, known.get(each.pattern)) for each in found]
    except CommandError as error:
        return [Planned(**asdict(each), no_plan=str(error)) for each in found]


def _why_none(connection: Connection) -> str:
    made, loaded = connection.execute(COUNTED).fetchone() or (False, False)
    if not made:
        return "the extension pg_stat_statements isn't there, so the server counts no statements"
    if not loaded:
        return "shared_preload_libraries has no pg_stat_statements, so the server counts no statements"
    return "no statement was counted since the statistics were reset"


def _planned(connection: Connection, statement: Statement, query: Query | None) -> Planned:
    if query is None:
        return Planned(**asdict(statement), no_plan=OF_NO_PATTERN)
    try:
        return Planned(**asdict(statement), purpose=_capital(query.purpose), plan=plan(connection, query))
    except psycopg.Error as error:
        return Planned(**asdict(statement), purpose=_capital(query.purpose), no_plan=f"{query.role}: {answered(error)}")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def plan(connection: Connection, query: Query) -> str:
    """The generic plan of a pattern as its role, under row security; nothing of it is run.

    :raises psycopg.Error: where the role can't be taken, or the pattern can't be planned
    """
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(query.role)))
        if connection.info.server_version >= GENERIC:
            rows = connection.execute(f"explain (generic_plan) {_typed(query)}".encode()).fetchall()
        else:
            rows = _prepared(connection, query)
    return "\n".join(line for (line,) in rows)


def _typed(query: Query) -> str:
    """Its text, each parameter with its type: EXPLAIN takes them from nowhere else."""
    types = list(query.parameters.values())
    return re.sub(r"\$(\d+)", lambda found: f"{found[0]}::{types[int(found[1]) - 1]}", query.text)


def _prepared(connection: Connection, query: Query) -> list[tuple[str]]:
    """What EXPLAIN says of a prepared statement; the partitions that it leaves out are those of no parameter at all."""
    types = f"({', '.join(query.parameters.values())})" if query.parameters else ""
    nothing = f"({', '.join(['null'] * len(query.parameters))})" if query.parameters else ""
    connection.execute("set local plan_cache_mode = force_generic_plan")
    connection.execute(f"prepare vpb_report{types} as {query.text}".encode())
    try:
        return connection.execute(f"explain execute vpb_report{nothing}".encode()).fetchall()
    finally:
        connection.execute("deallocate vpb_report")

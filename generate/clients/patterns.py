"""The query patterns as functions: PostgreSQL describes each statement, the catalogue says what may be null.

Only what an app's login can run is a function: not what the owner of the tables alone may.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from psycopg.pq import ExecStatus

from declared import sqlqueries
from declared.roles import OWNER
from declared.sqlqueries import Query
from generate.clients import facts
from generate.clients.catalogue import Catalogue, Column, Connection, TypesError

VIEW = "select pg_get_viewdef(%s::regclass::oid)"
OUTER_JOIN = re.compile(r"\b(left|right|full)\b.*\bjoin\b", re.IGNORECASE | re.DOTALL)
# `select … from public.f($1);` and `select public.f($1);`: what is read comes from one function.
FROM_FUNCTION = re.compile(r"select [\w, ]+ from (?P<name>\w+\.\w+)\([^()]*\);\s*")
ONE_FUNCTION = re.compile(r"select (?P<name>\w+\.\w+)\([^()]*\);\s*")
BY_KEY = re.compile(r"\((?P<time>\w+), id\) < \(\$(?P<before>\d+), \$\d+\).*\blimit (?P<limit>\d+);\s*", re.DOTALL)
KEY = ("before_time", "before_id")


@dataclass(frozen=True)
class Value:
    """A parameter or a column of the result."""

    name: str
    type: str
    """As PostgreSQL names it."""
    nullable: bool = False
    values: tuple[str, ...] = ()
    """The texts that are possible; empty for any."""


@dataclass(frozen=True)
class Pattern:
    """A query pattern with everything that a function needs."""

    query: Query
    parameters: Sequence[Value]
    columns: Sequence[Value]
    rows: str
    """`many`, `one`, `at most one`, `value` for a single value, `nothing`, `none` for how many rows were written."""
    page: str = ""
    """Where the result is a page by key: the column that the page goes by, before `id`."""
    limit: int = 0
    """How many rows a page has at most."""


def described(connection: Connection, known: Catalogue) -> list[Pattern]:
    """The patterns that are functions of the clients, by name.

    :raises TypesError: for what neither PostgreSQL nor `facts` knows
    """
    found = [query for query in sqlqueries.queries() if query.role != OWNER]
    patterns = [_Describing(connection, known, query).pattern() for query in found]
    unknown = set(facts.ROWS) - {each.query.name for each in patterns}
    if unknown:
        raise TypesError(f"facts.ROWS: there is no query pattern {', '.join(sorted(unknown))}")
    return patterns


@dataclass(frozen=True)
class _Describing:
    connection: Connection
    known: Catalogue
    query: Query

    def pattern(self) -> Pattern:
        text, name = self.query.text, self.query.name
        columns = self._columns(text, list(self.query.parameters.values()))
        names = [each.name for each in columns]
        if len(set(names)) < len(names):
            raise TypesError(f"query pattern {name}: two columns have one name; give one of them another by `as`")
        parameters = [self._parameter(name, type) for name, type in self.query.parameters.items()]
        rows = facts.ROWS.get(name, "many" if columns else "none")
        if ONE_FUNCTION.fullmatch(text):
            rows = "nothing" if columns[0].type == "void" else "value"
        if rows == "many" and not text.lstrip().startswith("select"):
            raise TypesError(f"query pattern {name}: say in facts.ROWS how many rows it returns")
        if tuple(names_of(parameters)[-2:]) != KEY:
            return Pattern(self.query, parameters, columns, rows)
        by_key = BY_KEY.search(text)
        if not by_key or not {by_key["time"], "id"} <= set(names):
            raise TypesError(f"query pattern {name}: its page must go by (time, id), and both be columns of it")
        return Pattern(self.query, parameters, columns, rows, by_key["time"], int(by_key["limit"]))

    def _parameter(self, name: str, type: str) -> Value:
        place = f"{self.query.name}.{name}"
        values = self.known.expanded(facts.PARAMETER_VALUES.get(place, ()))
        return Value(facts.PARAMETERS.get(name, name), type, place in facts.NULLABLE_PARAMETERS, values)

    def _columns(self, text: str, types: Sequence[str]) -> list[Value]:
        """The columns that a statement returns."""
        oids = [self._one("select %s::regtype::oid", type) for type in types]
        server = self.connection.pgconn
        prepared = server.prepare(b"", text.encode(), [int(oid) for oid in oids])
        if prepared.status != ExecStatus.COMMAND_OK:
            raise TypesError(f"query pattern {self.query.name}: {prepared.get_error_message().splitlines()[0]}")
        of = server.describe_prepared(b"")
        found = [((of.fname(i) or b"").decode(), of.ftype(i), of.ftable(i), of.ftablecol(i)) for i in range(of.nfields)]
        outer = OUTER_JOIN.search(text) is not None
        return [
            self._column(text, Value(name, self._one("select format_type(%s, null)", type)), (table, number), outer)
            for name, type, table, number in found
        ]

    def _column(self, text: str, value: Value, place: tuple[int, int], outer: bool) -> Value:
        """Whether it may be null: as its table says, or the function that it comes from, or as is declared."""
        if column := self.known.columns.get(place):
            if column.kind == "v":
                return self._of_view(value, column)
            return replace(value, nullable=column.nullable or outer, values=column.values)
        if function := FROM_FUNCTION.fullmatch(text) or ONE_FUNCTION.fullmatch(text):
            return self._of_function(value, function["name"], "" if ONE_FUNCTION.fullmatch(text) else value.name)
        try:
            return replace(value, nullable=facts.EXPRESSIONS[f"{self.query.name}.{value.name}"])
        except KeyError:
            raise TypesError(
                f"query pattern {self.query.name}: whether {value.name} may be null is for facts.EXPRESSIONS to say"
            ) from None

    def _of_function(self, value: Value, function: str, column: str) -> Value:
        of = self.known.functions.get(function)
        if not of or column not in of.columns:
            raise TypesError(f"query pattern {self.query.name}: {function} returns no {column or 'single value'}")
        nullable = column in facts.NULLABLE.get(function, frozenset())
        values = self.known.expanded(facts.VALUES.get(f"{function}.{column}", ()))
        return replace(value, nullable=nullable, values=values)

    def _of_view(self, value: Value, column: Column) -> Value:
        """What the view's own statement says of it: PostgreSQL keeps no `not null` for a view."""
        text = self._one(VIEW, column.relation)
        inner = next(each for each in self._within(text) if each.name == column.name)
        return replace(value, nullable=inner.nullable, values=inner.values)

    def _within(self, text: str) -> list[Value]:
        server = self.connection.pgconn
        server.prepare(b"", text.encode(), [])
        of = server.describe_prepared(b"")
        outer = OUTER_JOIN.search(text) is not None
        found = []
        for i in range(of.nfields):
            column = self.known.columns.get((of.ftable(i), of.ftablecol(i)))
            nullable = not column or column.nullable or outer
            found.append(Value((of.fname(i) or b"").decode(), "", nullable, column.values if column else ()))
        return found

    def _one(self, statement: str, given: object) -> str:
        row = self.connection.execute(statement.encode(), (given,)).fetchone()
        assert row
        return str(row[0])


def names_of(values: Sequence[Value]) -> list[str]:
    """Their names, in order."""
    return [each.name for each in values]

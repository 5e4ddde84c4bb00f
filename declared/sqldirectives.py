"""How an up or down script runs, as its header says: in one transaction, outside of one, or in batches.

The fourth line of the header, if there is one, is `-- Run: outside a transaction.` or
`-- Run: in batches of 1000, pause 50ms.`; each script has its own.
"""

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

from declared import sqlgrammar
from declared.sqldrops import drops as drops
from declared.sqltext import Fault, Statement, quick_statements, statements

RUN_MODES = "`-- Run: outside a transaction.` or `-- Run: in batches of N, pause Nms.`"
FORM = re.compile(
    r"-- Run: (?:(?P<outside>outside a transaction)|in batches of (?P<size>\d+), pause (?P<pause>\d+)ms)\."
)
ELSEWHERE = re.compile(r"^[ \t]*--[ \t]*run[ \t]*:?[ \t]*(?:outside|in batch)", re.IGNORECASE | re.MULTILINE)
LINE = 4
LARGEST_BATCH = 100_000
LONGEST_PAUSE = 60_000
# What PostgreSQL doesn't run in a transaction, and what may stand beside it since it can be repeated as it is.
OUTSIDE_FORMS = (
    "create, drop and reindex … concurrently, alter type … add value, detach partition … concurrently or finalize, "
    "vacuum, analyze, validate constraint, comment on"
)
# The same by their first words, where the parser is older than the server.
OUTSIDE = re.compile(r"(?:drop\s+index|reindex|vacuum|analyze|comment\s+on|alter\s+(?:type|table))\b", re.IGNORECASE)
# The usual ones, which needn't be parsed.
USUAL = re.compile(
    r"create\s+(?:unique\s+)?index\s+concurrently\s+[a-z_]\w*\s+on\s+[a-z_]\w*\.[a-z_]\w*\s*(?:\(|using\b)"
    r"|drop\s+index\s+concurrently\s+[a-z_]"
)
BUILDS = re.compile(r"create\s+(?:unique\s+)?index\s+concurrently\b", re.IGNORECASE)
BUILD_FORM = "write it as create [unique] index concurrently name on schema.table …"
DETACH_FORM = "write it as alter table schema.table detach partition schema.partition concurrently, or finalize"
LOCKS_OUT = (
    "keeps everybody from reading the table while it writes it out again, so it isn't part of a migration: run it "
    "in a session of its own when nobody uses the table"
)
FULL = re.compile(r"vacuum\b[^;]*\bfull\b", re.IGNORECASE)
FULL_FORM = f"vacuum full {LOCKS_OUT}, or write plain vacuum here"
REWRITES = re.compile(r"(?:cluster|repack)\b", re.IGNORECASE)
ROWS_CHANGED = {"UpdateStmt", "DeleteStmt", "InsertStmt"}
COPY = re.compile(r"copy\b", re.IGNORECASE)
MAYBE_COPY = re.compile(r"\bcopy\b.*\bstd(?:in|out)\b", re.IGNORECASE | re.DOTALL)
LOSSLESS = ("-- Down: loses nothing.", "-- Down: loses no data.")


ADOPTED_FROM = re.compile(r"-- Adopted from database (\d+/\d+): .*")


class DirectiveError(Exception):
    """A header line that can't be followed; with the line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True)
class RunMode:
    """How a script runs; size and pause (milliseconds) are those of batches."""

    kind: Literal["transaction", "outside", "batches"] = "transaction"
    size: int = 0
    pause: int = 0


def run_mode(text: str) -> RunMode:
    """What the header of a script says.

    :raises DirectiveError: for a fourth line that begins as a directive and isn't one
    """
    line = _line(text, LINE)
    if not re.match(r"--\s*run\b", line, re.IGNORECASE):
        return RunMode()
    match = FORM.fullmatch(line.rstrip())
    if not match:
        raise DirectiveError(LINE, f"the header's line {LINE} must be empty or read {RUN_MODES}")
    if match["outside"]:
        return RunMode("outside")
    size, pause = int(match["size"]), int(match["pause"])
    if not 0 < size <= LARGEST_BATCH or pause > LONGEST_PAUSE:
        raise DirectiveError(LINE, f"a batch has 1 to {LARGEST_BATCH} rows, a pause at most {LONGEST_PAUSE}ms")
    return RunMode("batches", size, pause)


def adopted_from(text: str) -> str:
    """The identity of the database that a script describes as it was found: there it has nothing to do.

    An empty text for a script of another kind.
    """
    match = ADOPTED_FROM.fullmatch(_line(text, LINE).rstrip())
    return match[1] if match else ""


def refuse_unfit(text: str) -> None:
    """Refuse what can't run as the header says, and a header line of this kind that stands elsewhere.

    :raises DirectiveError: with the line of the statement
    """
    how = run_mode(text)
    for match in ELSEWHERE.finditer(text):
        number = text.count("\n", 0, match.start()) + 1
        if number != LINE or how.kind == "transaction":
            raise DirectiveError(number, f"how a script runs stands in the header's line {LINE}, as {RUN_MODES}")
    if how.kind == "outside":
        _refuse_unfit_outside(statements(text))
    if how.kind == "batches":
        _refuse_unfit_batches(statements(text), how.size)


def _refuse_unfit_outside(found: list[Statement]) -> None:
    if not found:
        raise DirectiveError(LINE, "nothing stands below that would run outside a transaction")
    for statement in found:
        if reason := _unfit_outside(statement.text):
            raise DirectiveError(statement.line, reason)


def _unfit_outside(text: str) -> str | None:
    if USUAL.match(text):
        return None
    node: Any = sqlgrammar.parsed(text)
    if (type(node).__name__ == "IndexStmt" and node.concurrent) if node else BUILDS.match(text):
        return None if build(text) else BUILD_FORM
    if reason := _locks_out(node, text):
        return reason
    if not (_runs_outside(node) if node else OUTSIDE.match(text)):
        return f"only this runs outside a transaction, the rest is a migration of its own: {OUTSIDE_FORMS}"
    detached = detach_of(node)
    return DETACH_FORM if detached and not (detached.table[0] and detached.partition[0]) else None


def _locks_out(node: Any, text: str) -> str | None:
    """Why it isn't run though it may stand outside a transaction: statements there wait long for their locks."""
    if REWRITES.match(text):
        return f"{text.split(None, 1)[0].lower()} {LOCKS_OUT}"
    if type(node).__name__ == "VacuumStmt":
        return FULL_FORM if _is_on(node.options, "full") else None
    return FULL_FORM if node is None and FULL.match(text) else None


def _runs_outside(node: Any) -> bool:
    """Whether it belongs to `OUTSIDE_FORMS`."""
    match type(node).__name__:
        case "DropStmt":
            return bool(node.concurrent)
        case "ReindexStmt":
            return _is_on(node.params, "concurrently")
        case "AlterEnumStmt":
            return node.newVal is not None and node.oldVal is None
        case "AlterTableStmt":
            names = {command.subtype.name for command in node.cmds}
            return names == {"AT_ValidateConstraint"} or detach_of(node) is not None
        case name:
            return name in ("VacuumStmt", "CommentStmt")


def _is_on(options: Any, name: str) -> bool:
    """Whether an option in parentheses is set; without a value it is, and the last one counts."""
    found = [option.arg for option in options or () if option.defname == name]
    if not found or found[-1] is None:
        return bool(found)
    value = found[-1]
    text = getattr(value, "sval", getattr(value, "boolval", getattr(value, "ival", None)))
    return str(text).lower() not in ("false", "off", "0", "none")


@dataclass(frozen=True)
class Build:
    """The parts of a `create index concurrently`, with the names as the catalogue has them."""

    unique: bool
    schema: str
    table: str
    name: str
    rest: str
    """What follows the table's name."""


def build(statement: str) -> Build | None:
    """The index that a statement builds; None for another statement, without a name or without the table's schema."""
    node: Any = sqlgrammar.parsed(statement)
    if type(node).__name__ != "IndexStmt" or not (node.concurrent and node.idxname and node.relation.schemaname):
        return None
    relation = node.relation
    rest = statement[sqlgrammar.end_of_name(statement, relation.location) :]
    return Build(bool(node.unique), relation.schemaname, relation.relname, node.idxname, rest)


@dataclass(frozen=True)
class Detach:
    """A `detach partition … concurrently` or `… finalize`: schema and name of the table and of its partition."""

    table: tuple[str, str]
    partition: tuple[str, str]
    finalize: bool


def detach(statement: str) -> Detach | None:
    """The partition that a statement detaches in this way."""
    return detach_of(sqlgrammar.parsed(statement))


def detach_of(node: Any) -> Detach | None:
    """The same of a syntax tree."""
    if type(node).__name__ != "AlterTableStmt" or len(node.cmds) != 1:
        return None
    (command,) = node.cmds
    finalize = command.subtype.name == "AT_DetachPartitionFinalize"
    if not finalize and not (command.subtype.name == "AT_DetachPartition" and command.def_.concurrent):
        return None
    table, partition = (
        (relation.schemaname or "", relation.relname) for relation in (node.relation, command.def_.name)
    )
    return Detach(table, partition, finalize)


def _refuse_unfit_batches(found: list[Statement], size: int) -> None:
    node: Any = sqlgrammar.parsed(found[0].text) if len(found) == 1 else None
    # One that the parser doesn't know may be right for a newer server, which judges it.
    one = type(node).__name__ in ROWS_CHANGED if node else len(found) == 1 and re.match(r"\w", found[0].text)
    if not one:
        line = found[1].line if len(found) > 1 else found[0].line if found else LINE
        raise DirectiveError(line, "a script in batches is one statement: update, delete or insert, perhaps after with")
    (statement,) = found
    if any(type(each).__name__ in (*ROWS_CHANGED, "MergeStmt") and each is not node for each in sqlgrammar.walk(node)):
        raise DirectiveError(
            statement.line,
            "in batches only the statement itself may change rows, not its with: PostgreSQL doesn't count those rows",
        )
    # The file stays what psql can run; the header only repeats what the statement says.
    limited = rest(statement.text, size) if node else re.search(rf"\blimit\s+{size}\b", statement.text, re.IGNORECASE)
    if not limited:
        raise DirectiveError(
            statement.line, f"the header says batches of {size}, so the statement needs `limit {size}`, once"
        )
    if reason := _ends_early(node):
        raise DirectiveError(statement.line, reason)
    if not re.search(r"\bwhere\b", statement.text, re.IGNORECASE):
        raise DirectiveError(
            statement.line, "a statement in batches needs a `where` that leaves out the rows that are done"
        )


def _ends_early(node: Any) -> str | None:
    """What lets a statement find no row while rows are left."""
    for each in sqlgrammar.walk(node):
        kind = type(each).__name__
        if getattr(each, "limitOffset", None) is not None:
            return "in batches there is no `offset`: the rows that it passes over would never be done; leave it out"
        if kind == "RangeTableSample":
            return "in batches there is no `tablesample`: the rows that it misses would never be done; leave it out"
        if kind == "SelectStmt" and any(_is_random(part) for part in sqlgrammar.walk(each.whereClause)):
            return "in batches `where` can't depend on `random()`: the rows that it misses would never be done"
    return None


def _is_random(node: Any) -> bool:
    return type(node).__name__ == "FuncCall" and node.funcname[-1].sval in ("random", "random_normal")


def batched_table(statement: str) -> tuple[str, str] | None:
    """Schema and name of the table that a statement in batches changes; the schema is empty where it has none."""
    node: Any = sqlgrammar.parsed(statement)
    return (node.relation.schemaname or "", node.relation.relname) if type(node).__name__ in ROWS_CHANGED else None


def _parts_of_with(node: Any) -> tuple[Any, ...]:
    return getattr(getattr(node, "withClause", None), "ctes", None) or ()


def rest(statement: str, size: int) -> str | None:
    """A query with a row as long as a statement in batches finds some: its part with the `limit`, without row locks."""
    text = _found(statement, size, limited=True)
    return text and f"select 1 from ({text}) as rest limit 1"


def everything(statement: str, size: int) -> str | None:
    """The query for all rows that a statement in batches finds: the same part without its `limit`."""
    return _found(statement, size, limited=False)


def _found(statement: str, size: int, limited: bool) -> str | None:
    """The part of a statement in batches that finds its rows.

    The number of rows that the statement changed doesn't say so: a trigger may keep a row as it is, another session may
    hold it, and `on conflict` may leave it out.
    """
    node: Any = sqlgrammar.parsed(statement)
    found = [each for each in sqlgrammar.walk(node) if _has_limit(each, size)]
    if len(found) != 1:
        return None
    (query,) = found
    query.lockingClause = None
    if not limited:
        query.limitCount = None
    if before := tuple(takewhile(lambda part: part.ctequery is not query, _parts_of_with(node))):
        own = query.withClause
        node.withClause.ctes = before + _parts_of_with(query)
        node.withClause.recursive = node.withClause.recursive or bool(own and own.recursive)
        query.withClause = node.withClause
    return sqlgrammar.deparsed(query)


def _has_limit(node: Any, size: int) -> bool:
    limit = getattr(node, "limitCount", None)
    return getattr(getattr(limit, "val", None), "ival", None) == size


def _line(text: str, number: int) -> str:
    lines = text.split("\n", number)
    return lines[number - 1] if len(lines) >= number else ""


def loss(text: str) -> str | None:
    """What a script loses, as the third line of its header says, or else as its text does; None for nothing."""
    line = _line(text, 3)
    if line in LOSSLESS:
        return "; ".join(str(drop) for drop in drops(text)) or None
    return line.removeprefix("-- Down: ").strip() or "what it loses isn't written in its header"


def refuse_untold_loss(text: str) -> None:
    """Refuse a script whose header says that nothing is lost, while it drops or deletes.

    :raises DirectiveError: with the line of the statement
    """
    if _line(text, 3) in LOSSLESS and (found := drops(text)):
        raise DirectiveError(
            found[0].line, f"the header says that nothing is lost, but this {found[0]}; say in line 3 what is lost"
        )


def copy_of_psql(text: str) -> Fault | None:
    """The first `copy` that takes its rows from psql or gives them to it."""
    for statement in quick_statements(text) if MAYBE_COPY.search(text) else ():
        if not COPY.match(statement.text):
            continue
        node: Any = sqlgrammar.parsed(statement.text)
        if type(node).__name__ == "CopyStmt" and (node.filename or node.is_program):
            continue
        if node.is_from if node else re.search(r"\bstdin\b", statement.text, re.IGNORECASE):
            return Fault(
                statement.line, "copy … from stdin takes its rows from psql, which doesn't run here; write insert"
            )
        return Fault(statement.line, "copy … to stdout gives its rows to psql, which doesn't run here; leave it out")
    return None

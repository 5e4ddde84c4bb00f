"""Our own rules about a statement, each a function; what squawk can't know without the structure and the app.

A rule's first paragraph says why it is one. `docs/migration-review.md` lists them.
"""

import re
from collections.abc import Iterator
from typing import Any

from declared import sqlgrammar
from ops.review import ways
from ops.review.lint import types, uses
from ops.review.lint.model import Finding
from ops.review.lint.objects import Name, Table, name, option
from ops.review.lint.seen import Seen
from ops.review.lint.structure import Structure

TYPE, NOT_NULL, REQUIRED, DEFAULT = "type-change-rewrites", "not-null-scans", "required-column", "volatile-default"
IMMUTABLE, CONCURRENT = "immutable-reads-tables", "concurrently-in-transaction"
COLLATION, DOMAIN, TESTED = "collation-change-rebuilds", "domain-column-rewrites", "domain-constraint-scans"
PARTITIONED = "refused-on-partitioned"
# PostgreSQL's own; a function of another schema is volatile unless it says otherwise.
VOLATILE = {
    *("random", "random_normal", "setseed", "gen_random_uuid", "uuidv4", "uuidv7", "clock_timestamp", "timeofday"),
    *("nextval", "setval", "currval", "lastval", "pg_sleep", "txid_current", "pg_current_xact_id"),
    *("uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "gen_salt", "gen_random_bytes"),
}
READS = re.compile(r"\b(?:from|join)\s+(?!pg_catalog\.\w+\s*\()[a-z_]\w*\.[a-z_]\w*(?!\s*[\w(])", re.IGNORECASE)


def type_change_rewrites(seen: Seen) -> Iterator[Finding]:
    """Another type writes every row and index again while nobody can read the table.

    Not reported are the changes that PostgreSQL makes in the catalogue alone, such as a longer varchar.
    """
    which, table = seen.used_table or (None, None)
    for command in seen.change.node.cmds if which else ():
        if command.subtype.name != "AT_AlterColumnType":
            continue
        column = table.columns.get(command.name) if table else None
        new, using = types.of(command.def_.typeName), command.def_.raw_default
        plain = using is None or _is_plain_cast(using, command.name, new)
        old = column.type if column else None
        if old and plain and not types.rewrites(old, new):
            continue
        was, may = (f"which is {old}", "is") if old else ("whose type isn't known here", "may be")
        yield seen.change.finding(
            TYPE,
            "error" if old else "warning",
            f"column {command.name} of {'.'.join(which or ())}, {was}, becomes {new}: the whole table {may} written "
            "again while nobody can read it",
            ways.TYPE,
        )


def collation_change_rebuilds(seen: Seen) -> Iterator[Finding]:
    """Another collation orders texts in another way: each index of the column is built again, and no one may write."""
    which, table = seen.used_table or (None, None)
    for command in seen.change.node.cmds if which else ():
        if command.subtype.name != "AT_AlterColumnType":
            continue
        column = table.columns.get(command.name) if table else None
        new, was = types.collation(command.def_), column.collation if column else ""
        if new == was or (column and column.type and types.rewrites(column.type, types.of(command.def_.typeName))):
            continue
        yield seen.change.finding(
            COLLATION,
            "error",
            f"column {command.name} of {'.'.join(which or ())} gets {f'collation {new}' if new else 'no collation'}"
            f"{f' instead of {was}' if was else ' of its own'}: each index with it is built again while nobody can "
            "read the table",
            "add a column with that collation and fill it as for another type (docs/cookbook.md: change a type), or "
            "name the collation where a query sorts",
        )


def _is_plain_cast(node: Any, column: str, new: types.Type) -> bool:
    """Whether a `using` says no more than the change itself does."""
    if type(node).__name__ == "TypeCast":
        return types.of(node.typeName) == new and _is_plain_cast(node.arg, column, new)
    return type(node).__name__ == "ColumnRef" and getattr(node.fields[-1], "sval", None) == column


def not_null_scans(seen: Seen) -> Iterator[Finding]:
    """`set not null` reads the whole table while nobody can, unless a validated check has proved it."""
    which, table = seen.used_table or (None, None)
    for command in seen.change.node.cmds if which else ():
        if command.subtype.name != "AT_SetNotNull" or (table and _is_proved(table, command.name)):
            continue
        yield seen.change.finding(
            NOT_NULL,
            "error",
            f"`set not null` reads all of {'.'.join(which or ())} while nobody can read or write it",
            ways.not_null(command.name),
        )


def _is_proved(table: Table, column: str) -> bool:
    known = table.columns.get(column)
    checks = [each.expression for each in table.checks.values() if each.valid]
    return (known is not None and known.not_null) or any(_says_not_null(each, column) for each in checks)


def _says_not_null(node: Any, column: str) -> bool:
    kind = type(node).__name__
    if kind == "BoolExpr" and node.boolop.name == "AND_EXPR":
        return any(_says_not_null(each, column) for each in node.args)
    if kind != "NullTest" or node.nulltesttype.name != "IS_NOT_NULL" or type(node.arg).__name__ != "ColumnRef":
        return False
    return bool(getattr(node.arg.fields[-1], "sval", None) == column)


def required_column(seen: Seen) -> Iterator[Finding]:
    """A not null column without a default can't be added where there is a row, and every insert must name it."""
    for which, column in _added_columns(seen):
        kinds = {each.contype.name for each in column.constraints or ()}
        filled = {"CONSTR_DEFAULT", "CONSTR_IDENTITY", "CONSTR_GENERATED"} & kinds or types.is_serial(column.typeName)
        if not kinds & {"CONSTR_NOTNULL", "CONSTR_PRIMARY"} or filled:
            continue
        yield seen.change.finding(
            REQUIRED,
            "error",
            f"column {column.colname} is not null without a default: {'.'.join(which)} must have no row, and what the "
            "running app inserts fails",
            ways.REQUIRED,
        )


def volatile_default(seen: Seen) -> Iterator[Finding]:
    """A default that is another one for each row writes the whole table again; a constant one writes nothing."""
    for which, column in _added_columns(seen):
        if not (why := _rewriting(column, seen.before)):
            continue
        yield seen.change.finding(
            DEFAULT,
            "error",
            f"column {column.colname} {why}: all of {'.'.join(which)} is written again while nobody can read it",
            ways.DEFAULT,
        )


def domain_column_rewrites(seen: Seen) -> Iterator[Finding]:
    """A new column of a domain gets the domain's default in each row, and its check is tested for each."""
    for which, column in _added_columns(seen):
        domain = seen.before.domains.get(name(column.typeName.names))
        own = any(each.contype.name == "CONSTR_DEFAULT" for each in column.constraints or ())
        called = _volatile_call(domain.default, seen.before) if domain and domain.default and not own else ""
        if domain is None or not (domain.has_check or called):
            continue
        why = f"a default that calls {called}, which is volatile" if called else "a constraint"
        yield seen.change.finding(
            DOMAIN,
            "error",
            f"column {column.colname} is of domain {'.'.join(name(column.typeName.names))}, which has {why}: all of "
            f"{'.'.join(which)} is written again while nobody can read it",
            "add it with the type that the domain is made of, and the domain's check as a constraint of the table, not "
            "valid; validate it in the next migration",
        )


def domain_constraint_scans(seen: Seen) -> Iterator[Finding]:
    """A constraint of a domain is tested in each table that has a column of it, while nobody can write to them."""
    node = seen.change.node
    if type(node).__name__ != "AlterDomainStmt" or node.subtype not in ("C", "O"):
        return
    if node.subtype == "C" and node.def_.skip_validation:
        return
    if name(node.typeName) in seen.before.domains and seen.is_new(seen.before.domains[name(node.typeName)].made):
        return
    yield seen.change.finding(
        TESTED,
        "error",
        f"every table with a column of domain {'.'.join(name(node.typeName))} is read while nobody can write to it",
        "add a check `not valid`, and `alter domain … validate constraint` in the next migration",
    )


def refused_on_partitioned(seen: Seen) -> Iterator[Finding]:
    """PostgreSQL refuses on a partitioned table what would spare it a lock: each partition is worked on alone."""
    node, partitioned = seen.change.node, seen.before.is_partitioned
    match type(node).__name__:
        case "IndexStmt" if node.concurrent and partitioned(name(node.relation)):
            what, way = "an index of a partitioned table can't be made `concurrently`", ways.PARTITIONED_INDEX
        case "DropStmt" if node.concurrent and any(partitioned(name(each)) for each in node.objects):
            what, way = "an index of a partitioned table can't be dropped `concurrently`", ways.PARTITIONED_DROP
        case "AlterTableStmt" if partitioned(name(node.relation)) and _unvalidated_key(node):
            what = "a foreign key of a partitioned table can't be `not valid` before PostgreSQL 18"
            way = ways.PARTITIONED_KEY
        case "AlterTableStmt" if partitioned(name(node.relation)) and _using_index(node):
            what, way = "a constraint of a partitioned table can't be made `using index`", ways.PARTITIONED_UNIQUE
        case _:
            return
    yield seen.change.finding(PARTITIONED, "error", f"PostgreSQL refuses it: {what}", way)


def _constraints(node: Any) -> Iterator[Any]:
    return (each.def_ for each in node.cmds if each.subtype.name == "AT_AddConstraint")


def _unvalidated_key(node: Any) -> bool:
    return any(each.contype.name == "CONSTR_FOREIGN" and each.skip_validation for each in _constraints(node))


def _using_index(node: Any) -> bool:
    return any(each.indexname for each in _constraints(node))


def _added_columns(seen: Seen) -> Iterator[tuple[Name, Any]]:
    found = seen.used_table
    for command in seen.change.node.cmds if found else ():
        if command.subtype.name == "AT_AddColumn" and found:
            yield found[0], command.def_


def _rewriting(column: Any, structure: Structure) -> str:
    """Why each row gets a value of its own; an empty text where none does."""
    if types.is_serial(column.typeName):
        return "takes its values from a sequence"
    for each in column.constraints or ():
        match each.contype.name:
            case "CONSTR_IDENTITY":
                return "is an identity"
            # PostgreSQL 18 has columns that are generated when they are read.
            case "CONSTR_GENERATED" if each.generated_kind != "v":
                return "is generated"
            case "CONSTR_DEFAULT" if called := _volatile_call(each.raw_expr, structure):
                return f"has a default that calls {called}, which is volatile"
    return ""


def _volatile_call(node: Any, structure: Structure) -> str:
    for each in sqlgrammar.walk(node):
        if type(each).__name__ == "FuncCall" and _is_volatile(each.funcname, structure):
            return ".".join(part.sval for part in each.funcname)
    return ""


def _is_volatile(called: Any, structure: Structure) -> bool:
    if called[-1].sval in VOLATILE:
        return True
    if len(called) == 1 or called[0].sval == types.SYSTEM:
        return False
    known = structure.functions_named(name(called))
    return not known or any(each.volatility == "volatile" for each in known)


def immutable_reads_tables(seen: Seen) -> Iterator[Finding]:
    """An immutable function's answer is kept in indexes and plans; one that reads tables goes wrong as they change."""
    node = seen.change.node
    if type(node).__name__ != "CreateFunctionStmt" or getattr(option(node, "volatility"), "sval", "") != "immutable":
        return
    found = uses.body(node, seen.change.text)
    reads = [each for part in found for each in uses.relations(part)]
    table = ".".join(name(reads[0])) if reads else ""
    if not found and (match := READS.search(seen.change.text)):
        table = match.group().split()[-1]
    if table:
        yield seen.change.finding(
            IMMUTABLE,
            "error",
            f"function {'.'.join(name(node.funcname))} is immutable and reads {table}: an index or a plan keeps its "
            "old answer",
            "declare it `stable`; where an index needs it, keep the value in a column that a trigger fills",
        )


def concurrently_in_transaction(seen: Seen) -> Iterator[Finding]:
    """PostgreSQL refuses `concurrently` within a transaction, which a migration is unless its header says otherwise."""
    node = seen.change.node
    concurrent = getattr(node, "concurrent", False) if type(node).__name__ in ("IndexStmt", "DropStmt") else False
    if concurrent and not seen.outside:
        yield seen.change.finding(
            CONCURRENT,
            "error",
            "`concurrently` fails in a transaction, which this migration is",
            "write it in a migration of its own whose header's line 4 is `-- Run: outside a transaction.`",
        )


STATEMENT_RULES = (
    concurrently_in_transaction,
    refused_on_partitioned,
    type_change_rewrites,
    collation_change_rebuilds,
    not_null_scans,
    required_column,
    volatile_default,
    domain_column_rewrites,
    domain_constraint_scans,
    immutable_reads_tables,
)
NAMES = {TYPE, NOT_NULL, REQUIRED, DEFAULT, IMMUTABLE, CONCURRENT, COLLATION, DOMAIN, TESTED, PARTITIONED}

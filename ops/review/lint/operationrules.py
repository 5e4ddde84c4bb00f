"""Our rules about what a statement does while it runs: to rows, triggers, sessions and other servers, each a function.

A rule's first paragraph says why it is one. `docs/migration-review.md` lists them.
"""

import re
from collections.abc import Iterator
from typing import Any

from declared import sqlgrammar
from guardrails import expressions
from ops.review import ways
from ops.review.lint import code
from ops.review.lint.accessrules import returned
from ops.review.lint.model import Finding
from ops.review.lint.objects import name, roles
from ops.review.lint.seen import Seen

LIMIT, OFF, TRIGGER, LOCK = "no-time-limit", "triggers-off", "trigger-dropped", "lock-table"
ROWS, TRUNCATED, UNLOGGED, WRITTEN = "all-rows-changed", "rows-truncated", "unlogged-table", "table-written-again"
RULE, COPY, UNNAMED, SLEEP, CODE = "rewrite-rule", "copy-outside", "drops-unnamed", "sleeps", "code-not-judged"
TIMEOUTS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
LONGEST_WAIT = 2.0
"""Seconds that a migration may wait for a lock: so long everybody waits behind it."""
UNITS = {"us": 1e-6, "": 1e-3, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s|min|h|d|)\s*")
# The table-level locks from `share` on block reads or writes.
SHARE = 5
AUDIT = re.compile(r"audit|record_(?:changes|drops)")
SWITCHED_OFF = {
    **{"AT_DisableTrig": "", "AT_EnableReplicaTrig": "", "AT_DisableRule": "", "AT_EnableReplicaRule": ""},
    **{"AT_DisableTrigAll": "all triggers", "AT_DisableTrigUser": "all of the app's triggers"},
}
AGAIN = {
    "AT_SetLogged": "set logged",
    "AT_SetTableSpace": "set tablespace",
    "AT_SetAccessMethod": "set access method",
}
RUNS = {"SelectStmt", "CallStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CreateTableAsStmt"}
CHANGES = {"UpdateStmt": "changes", "DeleteStmt": "deletes", "MergeStmt": "changes"}


def no_time_limit(seen: Seen) -> Iterator[Finding]:
    """While a statement waits for a lock, everybody waits behind it; `up` gives way after half a second."""
    for setting, value in _set(seen.change.node):
        seconds = _seconds(value)
        if setting not in TIMEOUTS or seconds is None:
            continue
        too_long = setting == "lock_timeout" and seconds > LONGEST_WAIT
        if seconds == 0 or too_long:
            waits = setting == "lock_timeout"
            yield seen.change.finding(
                LIMIT,
                "error" if waits else "warning",
                f"{setting} is set to {value}: {'everybody who comes waits behind it' if waits else 'nothing ends it'}",
                "leave it out: `up` waits half a second at a time, gives way and tries again",
            )


def _set(node: Any) -> Iterator[tuple[str, str]]:
    """The settings that a statement gives, as texts."""
    setting = getattr(node, "setstmt", node)
    if type(setting).__name__ == "VariableSetStmt" and setting.args:
        yield setting.name, _word(setting.args[0])
    elif type(setting).__name__ == "VariableSetStmt" and setting.name and setting.kind.name == "VAR_SET_DEFAULT":
        yield setting.name, "default"
    for each in sqlgrammar.walk(node) if type(node).__name__ in RUNS else ():
        if type(each).__name__ == "FuncCall" and each.funcname[-1].sval == "set_config" and each.args:
            yield _word(each.args[0]), _word(each.args[1])


def _word(node: Any) -> str:
    value: Any = getattr(node, "val", None)
    kind = type(value).__name__
    return str(value.ival or 0) if kind == "Integer" else str(getattr(value, "sval", getattr(value, "fval", "")))


def _seconds(value: str) -> float | None:
    match = DURATION.fullmatch(value)
    return float(match["number"]) * UNITS[match["unit"]] if match else None


def triggers_off(seen: Seen) -> Iterator[Finding]:
    """What changes while triggers are off isn't audited, counted or checked, and foreign keys aren't either."""
    for what, is_grave in _switched_off(seen.change.node):
        yield seen.change.finding(
            OFF,
            "error" if is_grave else "warning",
            f"{what} off: what changes meanwhile isn't " + ("recorded" if is_grave else "seen by them"),
            "leave them on; what must not happen for these rows, the trigger's own condition (`when`) says",
        )


def _switched_off(node: Any) -> Iterator[tuple[str, bool]]:
    if type(node).__name__ == "AlterTableStmt":
        for each in node.cmds:
            if each.subtype.name in SWITCHED_OFF:
                several = SWITCHED_OFF[each.subtype.name]
                what = several or f"trigger {each.name}"
                yield f"{what} of {'.'.join(name(node.relation))} switched", bool(several or AUDIT.search(each.name))
    elif type(node).__name__ == "AlterEventTrigStmt" and node.tgenabled in ("D", "R"):
        yield f"event trigger {node.trigname} switched", True
    for setting, value in _set(node):
        if setting == "session_replication_role" and value not in ("origin", "default"):
            yield f"session_replication_role {value} switches all triggers and foreign keys", True


def trigger_dropped(seen: Seen) -> Iterator[Finding]:
    """What a trigger keeps (an audit, a count, a second column) isn't kept from then on."""
    node = seen.change.node
    if not seen.is_up or type(node).__name__ != "DropStmt" or "TRIGGER" not in node.removeType.name:
        return
    for each in node.objects:
        called = each.sval if hasattr(each, "sval") else each[-1].sval
        table = "" if hasattr(each, "sval") else f" of {'.'.join(name(each[:-1]))}"
        grave = bool(AUDIT.search(called)) or not table
        if table and seen.fresh(name(each[:-1])):
            continue
        yield seen.change.finding(
            TRIGGER,
            "error" if grave else "warning",
            f"drops trigger {called}{table}" + (", which records who changes what" if grave else ""),
            "keep it"
            if grave
            else "make what takes its place in the same migration, or say above it why nothing has to",
        )


def lock_table(seen: Seen) -> Iterator[Finding]:
    """A lock is held to the end of the migration, whatever that does meanwhile."""
    node = seen.change.node
    if type(node).__name__ == "LockStmt" and node.mode >= SHARE:
        for each in node.relations:
            if not seen.fresh(name(each)):
                yield seen.change.finding(
                    LOCK,
                    "error",
                    f"locks {'.'.join(name(each))} until the end of the migration: nobody writes to it meanwhile",
                    "leave it out: each statement takes the lock that it needs; rows are locked by `for update`",
                )


def all_rows_changed(seen: Seen) -> Iterator[Finding]:
    """A change of all rows locks each of them until the end of the migration, and a delete can't be taken back."""
    node = seen.change.node
    for each in sqlgrammar.walk(node) if type(node).__name__ in RUNS else ():
        kind = type(each).__name__
        if kind not in CHANGES or not _is_everywhere(each, seen) or seen.fresh(name(each.relation)):
            continue
        yield seen.change.finding(
            ROWS,
            "error",
            f"{CHANGES[kind]} all rows of {'.'.join(name(each.relation))} in one transaction",
            "delete what is too much by a `where` that says so, in batches" if kind == "DeleteStmt" else ways.BATCHES,
        )


def _is_everywhere(node: Any, seen: Seen) -> bool:
    if type(node).__name__ == "MergeStmt":
        kinds = {each.commandType.name for each in node.mergeWhenClauses}
        return bool(kinds & {"CMD_UPDATE", "CMD_DELETE"}) and _is_true(node.joinCondition, seen)
    others = getattr(node, "fromClause", None) or getattr(node, "usingClause", None)
    return not others and (node.whereClause is None or _is_true(node.whereClause, seen))


def _is_true(node: Any, seen: Seen) -> bool:
    return expressions.lets_all(node, returned(seen.before))


def rows_truncated(seen: Seen) -> Iterator[Finding]:
    """`truncate` takes all rows, calls no trigger for each, and locks everybody out."""
    node = seen.change.node
    for each in node.relations if type(node).__name__ == "TruncateStmt" and seen.is_up else ():
        if not seen.fresh(name(each)):
            yield seen.change.finding(
                TRUNCATED,
                "error",
                f"empties {'.'.join(name(each))}" + (" and what refers to it" if _cascades(node) else ""),
                "delete in batches what nobody needs, by a `where` that says so",
            )


def _cascades(node: Any) -> bool:
    return bool(node.behavior.name == "DROP_CASCADE")


def unlogged_table(seen: Seen) -> Iterator[Finding]:
    """An unlogged table is empty after a crash of the server, and on every replica."""
    node, which = seen.change.node, None
    if type(node).__name__ == "CreateStmt" and node.relation.relpersistence == "u":
        which = name(node.relation)
    elif type(node).__name__ == "CreateTableAsStmt" and node.into.rel.relpersistence == "u":
        which = name(node.into.rel)
    elif _has(node, {"AT_SetUnLogged"}):
        which = name(node.relation)
    if which:
        yield seen.change.finding(
            UNLOGGED,
            "error",
            f"table {'.'.join(which)} is unlogged: it is empty after a crash, on a replica and in a backup",
            "keep it logged, or make a temporary table for what one session needs",
        )


def table_written_again(seen: Seen) -> Iterator[Finding]:
    """Another place or form of a table's file is a copy of all of it, while nobody can read the table."""
    found = seen.used_table
    for each in seen.change.node.cmds if found else ():
        if each.subtype.name in AGAIN and found:
            what = f"`{AGAIN[each.subtype.name]}` writes all of {'.'.join(found[0])} again while nobody can read it"
            yield seen.change.finding(WRITTEN, "error", what, ways.APART)


def _has(node: Any, subtypes: set[str]) -> bool:
    return type(node).__name__ == "AlterTableStmt" and any(each.subtype.name in subtypes for each in node.cmds)


def rewrite_rule(seen: Seen) -> Iterator[Finding]:
    """A rule turns a statement into another one, also without a word: what the app writes may go nowhere."""
    node = seen.change.node
    if type(node).__name__ == "RuleStmt":
        yield seen.change.finding(
            RULE,
            "error",
            f"rule {node.rulename} turns each {node.event.name.removeprefix('CMD_').lower()} on "
            f"{'.'.join(name(node.relation))} into something else",
            "a trigger does it row by row, and is seen in a plan",
        )


def copy_outside(seen: Seen) -> Iterator[Finding]:
    """A program or a file of the server is outside of the database, and what is written there is in no backup."""
    node = seen.change.node
    if type(node).__name__ == "CopyStmt" and node.filename:
        what = "runs a program on the server" if node.is_program else "reads or writes a file of the server"
        yield seen.change.finding(COPY, "error", f"copy {what}: {node.filename}", "write the rows as `insert`")


def drops_unnamed(seen: Seen) -> Iterator[Finding]:
    """What is dropped with something else isn't named: nobody has read what it takes along."""
    node = seen.change.node
    kind = type(node).__name__
    what = f"whatever {', '.join(roles(node.roles))} owns" if kind == "DropOwnedStmt" else ""
    if kind == "DropStmt" and seen.is_up and _cascades(node) and node.removeType.name == "OBJECT_SCHEMA":
        what = f"whatever is in schema {', '.join(each.sval for each in node.objects)}"
    if what:
        yield seen.change.finding(UNNAMED, "error", f"drops {what}, with its rows", "drop each object by its name")


def sleeps(seen: Seen) -> Iterator[Finding]:
    """A migration that sleeps holds its locks meanwhile."""
    for each in _calls(seen):
        if each[-1].startswith("pg_sleep"):
            yield seen.change.finding(
                SLEEP, "error", f"{each[-1]} waits with every lock that the migration has", "leave it out"
            )


def code_not_judged(seen: Seen) -> Iterator[Finding]:
    """What is put together while it runs can't be read before; neither can a body in another language."""
    node = seen.change.node
    what = ""
    if type(node).__name__ == "DoStmt":
        run = code.of_block(node, seen.change.text)
        what = "this block" if run is None or run.builds else ""
    for which in {(each[-2], each[-1]) for each in _calls(seen) if len(each) > 1}:
        for function in seen.before.functions_named(which):
            if seen.is_new(function.created) and code.makes(code.of_function(function.node, function.created.text)):
                what = f"function {'.'.join(which)}"
    if what:
        yield seen.change.finding(
            CODE,
            "warning",
            f"{what} changes the structure by code: what that makes isn't judged",
            "write the statements as they are; where that can't be, say above it what they are: "
            f"`-- Lint: allow {CODE}: why.`",
        )


def _calls(seen: Seen) -> Iterator[tuple[str, ...]]:
    """The functions that a statement calls when it runs."""
    node = seen.change.node
    for each in sqlgrammar.walk(node) if type(node).__name__ in RUNS else ():
        if type(each).__name__ == "FuncCall":
            yield tuple(part.sval for part in each.funcname)


OPERATION_RULES = (
    *(no_time_limit, triggers_off, trigger_dropped, lock_table, all_rows_changed, rows_truncated),
    *(unlogged_table, table_written_again, rewrite_rule, copy_outside, drops_unnamed, sleeps, code_not_judged),
)
NAMES = {
    *(LIMIT, OFF, TRIGGER, LOCK, ROWS, TRUNCATED, UNLOGGED, WRITTEN, RULE, COPY, UNNAMED, SLEEP, CODE),
}

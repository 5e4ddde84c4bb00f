"""The rules about who reaches what, as a file or a whole set of migrations leaves it, each a function."""

from collections.abc import Iterable, Iterator
from typing import Any

from declared import sqlfiles, sqlgrammar
from guardrails import expressions
from ops.review.lint import uses
from ops.review.lint.accessrules import returned, returned_by
from ops.review.lint.endrules import Left
from ops.review.lint.model import Change, Finding
from ops.review.lint.objects import Function, Name, Table, name, option

OPEN, POLICIES, WEAKER = "table-without-row-security", "table-without-policies", "row-security-off"
DEFINER, PATH = "definer-without-search-path", "definer-with-open-search-path"
VIEW, FUNCTION = "view-without-security-invoker", "policy-function-replaced"
# Where nobody but the system, or the session itself, can put an object.
SAFE, OF_SESSION = "pg_catalog", "pg_temp"
SWITCHES = {
    "AT_DisableRowSecurity": ("row level security", False),
    "AT_EnableRowSecurity": ("row level security", True),
    "AT_NoForceRowSecurity": ("row level security of its owner", False),
    "AT_ForceRowSecurity": ("row level security of its owner", True),
}


def table_without_row_security(left: Left) -> Iterator[Finding]:
    """A role that has a privilege on a table without row security has it on every row."""
    for which, table in _made(left):
        if not table.row_security:
            yield _change(table).finding(
                OPEN,
                "error",
                f"table {'.'.join(which)} has no row level security",
                "`alter table … enable row level security, force row level security` in the same migration",
            )


def table_without_policies(left: Left) -> Iterator[Finding]:
    """Without a row policy nobody but the owner reaches a row, and nobody has said that this is meant."""
    for which, table in _made(left):
        file = f"{sqlfiles.POLICY_FOLDER}/{'.'.join(which)}.sql"
        if not table.policies and not (left.root / file).exists():
            yield _change(table).finding(
                POLICIES,
                "error",
                f"table {'.'.join(which)} has no row policies",
                f"write {file}; `./vpb new policy` begins it",
            )


def _made(left: Left) -> Iterator[tuple[Name, Table]]:
    mine = {id(change) for change in left.changes}
    for which, table in left.after.tables.items():
        if id(table.made) in mine and not table.is_partition and not table.is_temporary:
            yield which, table


def _change(table: Table) -> Change:
    assert table.made is not None
    return table.made


def row_security_off(left: Left) -> Iterator[Finding]:
    """A table whose row security ends is open to every role that has a privilege on it, or to its owner's functions.

    What a migration takes off and the same set puts back is no finding: rows are filled so.
    """
    off: dict[tuple[Name, str], Change] = {}
    for change in left.changes:
        node = change.node
        for command in node.cmds if type(node).__name__ == "AlterTableStmt" else ():
            what, on = SWITCHES.get(command.subtype.name, ("", True))
            off.pop((name(node.relation), what), None)
            if not on:
                off[name(node.relation), what] = change
    fresh = {which for which, _ in _made(left)} if off else set()
    for (which, what), change in off.items():
        if left.is_up and not (which in fresh and not left.after.tables[which].row_security):
            word = "force" if what.endswith("owner") else "enable"
            yield change.finding(
                WEAKER,
                "error",
                f"{what} is off for {'.'.join(which)}: "
                + ("functions with its owner's privileges reach" if word == "force" else "who has a privilege reaches")
                + " every row",
                f"`alter table … {word} row level security` at the end of the migration, or in one of the same set",
            )


def definer_without_search_path(left: Left) -> Iterator[Finding]:
    """A function with its owner's privileges looks names up where its caller says, unless it has a path of its own."""
    for which, function in _definers(left):
        if function.search_path is None:
            yield function.changed.finding(
                DEFINER,
                "error",
                f"function {which} has its owner's privileges and its caller's search path: a caller puts an "
                "object of his own in the place of one that it names",
                "add `set search_path = ''` and name every object with its schema",
            )


def definer_with_open_search_path(left: Left) -> Iterator[Finding]:
    """A schema of the path in which others may make objects is as bad as no path: theirs is found first."""
    for which, function in _definers(left):
        path = function.search_path or ()
        others = [each for each in path if each not in (SAFE, OF_SESSION)]
        if others or OF_SESSION in path[:-1]:
            yield function.changed.finding(
                PATH,
                "error",
                f"function {which} has its owner's privileges and looks names up in {', '.join(others) or OF_SESSION}, "
                "where others may put an object in the place of one that it names",
                "`set search_path = ''`, and name every object with its schema",
            )


def _definers(left: Left) -> Iterator[tuple[str, Function]]:
    mine = {id(change) for change in left.changes}
    for which, function in left.after.functions.items():
        if id(function.changed) in mine and function.is_definer:
            yield ".".join(which[:2]), function


def view_without_security_invoker(left: Left) -> Iterator[Finding]:
    """A view reads with its owner's privileges, past the row security of who asks, unless it says otherwise."""
    mine = {id(change) for change in left.changes}
    for which, view in left.after.views.items():
        if id(view.changed) not in mine or view.invoker or view.is_temporary:
            continue
        kind = "materialized view" if view.is_materialized else "view"
        why = "holds rows that no row policy guards" if view.is_materialized else "reads with its owner's privileges"
        yield view.changed.finding(
            VIEW,
            "error",
            f"{kind} {'.'.join(which)} {why}: who may read it reads every row",
            "a table with row policies that a trigger or a task fills"
            if view.is_materialized
            else "`create view … with (security_invoker = true)`",
        )


def policy_function_replaced(left: Left) -> Iterator[Finding]:
    """Row policies say what a function of theirs says: another body opens or closes every table of theirs."""
    mine = {id(change) for change in left.changes}
    replaced = {
        which: function
        for which, function in left.after.functions.items()
        if which in left.before and (id(function.created) in mine or _switches(function.changed, mine))
    }
    asked = _of_policies(left) if replaced and left.is_up else {}
    for which, function in replaced.items():
        if policies := asked.get(which[:2]):
            body = returned_by(function.node, function.created.text)
            always = body is not None and expressions.lets_all(body, returned(left.after))
            yield function.changed.finding(
                FUNCTION,
                "error" if always else "warning",
                f"function {'.'.join(which[:2])}, which {_counted(policies)}, "
                + ("is true for everybody" if always else "says something else from now on"),
                "have the tests of those tables' row policies say what changes, or make a function of another name and "
                "use it in the policies that are meant",
            )


def _switches(change: Change, mine: set[int]) -> bool:
    """Whether it says with whose privileges a function runs."""
    return id(change) in mine and option(change.node, "security") is not None


def _counted(policies: list[str]) -> str:
    rest = f" and {len(policies) - 1} more row policies use" if len(policies) > 1 else " uses"
    return f"row policy {policies[0].removeprefix('row policy ')}{rest}"


def _of_policies(left: Left) -> dict[Name, list[str]]:
    """The functions that row policies use, also by way of others, with the policies."""
    found: dict[Name, list[str]] = {}
    below: dict[Name, set[Name]] = {}
    for what, nodes in _policies(left):
        todo, seen = [*_called(nodes)], set[Name]()
        while todo:
            which = todo.pop()
            if which in seen:
                continue
            seen.add(which)
            found.setdefault(which, []).append(what)
            if which not in below:
                below[which] = {
                    each
                    for function in left.after.functions_named(which)
                    for each in _called(uses.body(function.node, function.created.text))
                }
            todo += below[which]
    return found


def _policies(left: Left) -> Iterator[tuple[str, Iterable[Any]]]:
    yield from ((each.what, each.nodes) for each in uses.policies(left.root))
    for table in left.after.tables.values():
        yield from ((policy, nodes) for policy, nodes in table.expressions.items())


def _called(nodes: Iterable[Any]) -> Iterator[Name]:
    for node in nodes:
        for each in sqlgrammar.walk(node):
            if type(each).__name__ == "FuncCall" and len(each.funcname) > 1:
                yield name(each.funcname)


FILE_RULES = (
    definer_without_search_path,
    definer_with_open_search_path,
    view_without_security_invoker,
)
SET_RULES = (table_without_row_security, table_without_policies, row_security_off, policy_function_replaced)
NAMES = {OPEN, POLICIES, WEAKER, DEFINER, PATH, VIEW, FUNCTION}

"""Who reaches what, as the catalogue of a database has it: the list in `sql/access.json`."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ops.database import Connection
from ops.review import accessqueries as queries

# Settings whose values are shown; of another one it is shown that it was changed.
SHOWN = re.compile(
    r"(role|search_path|row_security|session_replication_role|default_transaction_read_only|\w+_timeout)="
)


def catalogue(connection: Connection, buckets: Mapping[str, Any]) -> dict[str, Any]:
    """What the catalogue of a database says of access, in an order that doesn't change.

    Args:
        buckets: what is declared of each: who reaches its files.
    """
    with connection.transaction():
        # So that names stand with their schemas.
        connection.execute("set local search_path = ''")
        return _sections(connection, buckets)


def _sections(connection: Connection, buckets: Mapping[str, Any]) -> dict[str, Any]:
    partitions = {row[0]: row for row in _rows(connection, queries.PARTITIONS)}
    policies, security = _policies(connection), _security(connection)
    return {
        "grants": _grants(connection),
        "owners": dict(_rows(connection, queries.OWNERS)),
        "default privileges": {what: _by_role(found) for what, found in _rows(connection, queries.DEFAULTS)},
        "policies": {table: found for table, found in policies.items() if table not in partitions},
        "row security": {table: found for table, found in security.items() if table not in partitions},
        "partitions": _partitions(partitions.values(), policies, security),
        "views": {
            name: {"options": options, "body": digest(text)} for name, options, text in _rows(connection, queries.VIEWS)
        },
        "functions": _functions(connection),
        "roles": _roles(connection),
        "publications": _publications(connection),
        "buckets": dict(buckets),
    }


def digest(content: str | bytes) -> str:
    """A short hash, by which two texts are compared that a reader finds elsewhere."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


def _rows(connection: Connection, query: str) -> list[Any]:
    return connection.execute(query.encode()).fetchall()


def _grants(connection: Connection) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, set[str]]] = {}
    for query in (queries.GRANTS, queries.INITIAL):
        for object, grantee, privilege in _rows(connection, query):
            found.setdefault(object, {}).setdefault(grantee, set()).add(privilege)
    return {object: {who: sorted(each) for who, each in roles.items()} for object, roles in found.items()}


def _by_role(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in sorted(lines):
        who, _, privilege = line.partition(": ")
        found.setdefault(who, []).append(privilege)
    return found


def _policies(connection: Connection) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for table, name, permissive, command, roles, using, check, words in _rows(connection, queries.POLICIES):
        found.setdefault(table, {})[name] = {
            "kind": "permissive" if permissive else "restrictive",
            "command": command,
            "roles": roles,
            "using": using,
            "check": check,
            "words": words or "",
        }
    return found


def _security(connection: Connection) -> dict[str, str]:
    return {
        table: "forced" if enabled and forced else "on" if enabled else "off"
        for table, enabled, forced in _rows(connection, queries.SECURITY)
    }


def _partitions(rows: Iterable[Any], policies: Mapping[str, Any], security: Mapping[str, str]) -> dict[str, Any]:
    """What partitions have of their own: what most of a table have, and those that have something else.

    So the name of a month is in the list only where that month is another one's.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, table, owner, grants in rows:
        found.setdefault(table, {})[name] = {
            "grants": _by_role(grants),
            "owner": owner or "",
            "policies": {_of_each(policy, name): each for policy, each in policies.get(name, {}).items()},
            "row security": security.get(name, "off"),
        }
    listed: dict[str, Any] = {}
    for table, states in found.items():
        texts = Counter(map(repr, states.values()))
        # Of two that are as many, the first by its text.
        usual = max(sorted(texts), key=lambda text: texts[text])
        listed[f"each of {table}"] = next(state for state in states.values() if repr(state) == usual)
        listed |= {name: state for name, state in states.items() if repr(state) != usual}
    return listed


def _of_each(policy: str, partition: str) -> str:
    """A policy's name, without the partition's that it begins with."""
    own = partition.partition(".")[2]
    return policy.replace(own, "…", 1)


def _functions(connection: Connection) -> dict[str, Any]:
    """The functions by which somebody reaches what they have no privilege on, or that say which rows: their bodies.

    These are those of `security definer`, those that a row policy calls, and what these call in turn.
    """
    rows = _rows(connection, queries.FUNCTIONS)
    named: dict[str, list[Any]] = {}
    for row in rows:
        named.setdefault(row[1], []).append(row)
    pending = [row for row in rows if row[2] or row[3]]
    found: dict[str, Any] = {}
    while pending:
        signature, _, definer, _, body, options = pending.pop()
        if signature not in found:
            found[signature] = {"body": digest(f"{options}\n{body}"), "security definer": definer}
            pending += [row for name in {*re.findall(r"\w+\.\w+", body)} for row in named.get(name, ())]
    return found


def _roles(connection: Connection) -> dict[str, Any]:
    return {
        name: {
            "attributes": attributes,
            "acts as": groups,
            "settings": [each if SHOWN.match(each) else _hidden(each) for each in settings],
        }
        for name, attributes, groups, settings in _rows(connection, queries.ROLES)
    }


def _hidden(setting: str) -> str:
    name, _, value = setting.partition("=")
    return f"{name} is {digest(value)}"


def _publications(connection: Connection) -> dict[str, Any]:
    """What leaves the database for who subscribes."""
    found: dict[str, dict[str, Any]] = {}
    for name, everything, table, columns, whole, rows in _rows(connection, queries.PUBLICATIONS):
        published = found.setdefault(name, {})
        if everything:
            published["every table"] = {"columns": ["all"], "rows": ""}
        elif table:
            published[table] = {"columns": ["all"] if whole else columns, "rows": rows or ""}
    return found

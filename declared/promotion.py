"""What an `up` has brought a stack to, and what of a declaration another stack hasn't had yet."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from declared import fingerprint
from declared.sqlfiles import MIGRATIONS, SqlFiles

UNPROMOTED = "unpromoted"
"""What a permission names that lets a stack have what the one before it hasn't."""
WENT_ON = "; going on, since it is allowed: "
# Each part of a record → how one entry of it is called.
PARTS = {"steps": "migration", "policies": "row policies of", "others": ""}


def record(sql: SqlFiles, published: Sequence[str]) -> dict[str, Any]:
    """What is declared of the database, entry by entry, each with a digest; equal at every target."""
    tables = groupby(sorted(sql.policies, key=lambda each: each.table), key=lambda each: each.table)
    facts = fingerprint.facts(sql, published)
    return {
        "of": fingerprint.digest(facts),
        "steps": dict(_steps(sql)),
        "policies": {table: _digest([asdict(policy) for policy in found]) for table, found in tables},
        "others": {
            "privileges": _digest(facts["grants"]),
            "schemas, extensions, roles or the publication": _digest(facts["structure"]),
        },
    }


def _steps(sql: SqlFiles) -> Iterator[tuple[str, str]]:
    for folder in sql.steps:
        for name, checksum in sql.checksums(folder).items():
            yield name if folder == MIGRATIONS.folder else f"{folder}/{name}", _digest(checksum)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def lacking(passed: Any, declared: Mapping[str, Any]) -> dict[str, str]:
    """What is declared and hasn't passed elsewhere, in a few words, to its digest; also what is declared no longer.

    Args:
        passed: the record of another stack, as it is there; what is no record has had nothing.
    """
    passed = _map(passed)
    return {} if passed.get("of") == declared["of"] else dict(_lacking(passed, declared))


def _lacking(passed: Mapping[str, Any], declared: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part, called in PARTS.items():
        there, here = _map(passed.get(part)), declared[part]
        for name in sorted({**there, **here}):
            if there.get(name) != here.get(name):
                gone = "the end of " if name not in here else ""
                yield f"{gone}{called} {name}".strip(), here.get(name, "")


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

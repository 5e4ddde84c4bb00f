"""What an audit is made of: rules, what they look at, what they find."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import cached_property
from typing import Any

import psycopg
from psycopg.rows import dict_row

from declared.errors import UserError
from ops.audit.declared import AuditedDeclaration

Row = Mapping[str, Any]
"""`object`, what the rule's sentences name; `severity` and `standards` where they aren't the rule's own."""


class AuditError(UserError):
    """The audit couldn't be made; the text is one line."""


class NotSeen(Exception):
    """A rule couldn't look; the text is the reason."""


class Severity(IntEnum):
    """How bad a finding is, from what is worth knowing to an open door."""

    info = 0
    low = 1
    medium = 2
    high = 3
    critical = 4


@dataclass(frozen=True)
class Rule:
    """One thing that must not be; `find` is a query or a function whose rows are what is."""

    id: str
    severity: Severity
    title: str
    reason: str
    repair: str
    find: "str | Callable[[Audited], Iterable[Row]]"
    standards: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One object that a rule found."""

    rule: str
    severity: Severity
    object: str
    reason: str
    repair: str
    standards: tuple[str, ...]


@dataclass(frozen=True)
class Skipped:
    """A rule that couldn't look, and why; it has found nothing, and proves nothing."""

    rule: str
    reason: str


@dataclass(frozen=True)
class S3Bucket:
    """An S3 bucket of the stack."""

    client: Any
    name: str
    disposable: bool
    """Whether moto holds it."""


@dataclass(frozen=True)
class Topic:
    """An SNS topic of the stack."""

    client: Any
    arn: str

    @property
    def name(self) -> str:
        return self.arn.rsplit(":", 1)[1]


@dataclass(frozen=True)
class Audited:
    """What the rules look at. Without a stack there is no state, and so neither ages nor buckets and topics at AWS."""

    connection: psycopg.Connection[tuple[Any, ...]]
    declared: AuditedDeclaration
    stack: str | None = None
    state: Mapping[str, Any] | None = None
    s3_buckets: tuple[S3Bucket, ...] = ()
    topics: tuple[Topic, ...] = ()
    password_days: int = 90
    anchor: Mapping[str, Any] | None = None
    """Where the audit trail ended at an earlier audit."""
    trail_since: datetime | None = None
    """From when on its entries are verified; None for all."""

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query over the catalogue; `%(name)s` is one of `parameters`, `%%` a percent sign."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.encode(), self.parameters).fetchall()

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What is declared, and who can be reached from outside, as queries ask for it."""
        with self.connection.cursor() as cursor:
            exposed = [name for (name,) in cursor.execute(EXPOSED)]
        return {"exposed": exposed, **self.declared.parameters}

    def resources(self, *types: str) -> list[Mapping[str, Any]]:
        """The resources of the stack, as its state has them.

        :raises NotSeen: where a server is audited and no stack
        """
        if self.state is None:
            raise NotSeen("there is no state: a server was named, and no stack")
        found = (self.state.get("deployment") or {}).get("resources") or []
        return [resource for resource in found if not types or resource["type"] in types]


# Schemas whose names an API role may use are what PostgREST can be configured to show.
EXPOSED = """
    select n.nspname::text from pg_catalog.pg_namespace as n
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and exists (
        select from pg_catalog.pg_roles as r
        where r.rolname in ('anon', 'authenticated') and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
    )
"""


def apply(rule: Rule, audited: Audited) -> list[Finding]:
    """What one rule finds.

    :raises NotSeen: where it can't look
    """
    try:
        with audited.connection.transaction():
            rows = audited.rows(rule.find) if isinstance(rule.find, str) else list(rule.find(audited))
    except psycopg.errors.InsufficientPrivilege as error:
        raise NotSeen(f"{error.diag.message_primary}; audit as the login that provisions") from None
    return [
        Finding(
            rule.id,
            Severity[row.get("severity") or rule.severity.name],
            str(row["object"]),
            rule.reason.format(**row),
            rule.repair.format(**row),
            tuple(rule.standards if row.get("standards") is None else row["standards"]),
        )
        for row in rows
    ]

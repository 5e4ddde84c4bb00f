"""Making an audit: of a stack with all that belongs to it, or of a server alone."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from declared import connectionurl, tunnel
from declared.platform import RECOGNISED, recognised
from ops import exported
from ops.audit import platforms, trail
from ops.audit.declared import AuditedDeclaration
from ops.audit.model import Audited, AuditError, Finding, NotSeen, Rule, S3Bucket, Skipped, Topic, apply
from ops.audit.registry import RULES
from ops.audit.report import Report
from ops.database import Connection, reaching
from ops.environment import Environment
from provider.pooler import refuse_lent
from run import engine

Progress = Callable[[str], None]
APPLICATION = "visual-prompt-builder/audit"
BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
TOPICS = ("aws:sns/topic:Topic",)


def audit(
    stack: str | None,
    url: str | None = None,
    password_days: int = 90,
    anchor: Path | None = None,
    progress: Progress = lambda message: None,
    trail_days: int | None = None,
) -> Report:
    """Audit a stack; with `url`, that server in the place of its own; without a stack, the server alone.

    The file `anchor` says where the audit trail ended at the last audit, and then where it ends now; where the trail
    isn't whole it stays as it was. With `trail_days` so many days of the trail are verified, and not all.

    :raises AuditError: where it can't be made
    :raises CommandError: where there is no such stack, or nothing in it yet
    """
    begun = time.monotonic()
    more = {
        "password_days": password_days,
        "anchor": trail.read_anchor(anchor) if anchor else None,
        "trail_since": datetime.now(UTC) - timedelta(days=trail_days) if trail_days else None,
    }
    with opened(stack, url, progress, **more) as audited:
        findings, skipped = look(audited, RULES, progress)
        found = {finding.rule for finding in findings} | {rule.rule for rule in skipped}
        if anchor and not found & {rule.id for rule in trail.RULES}:
            trail.write_anchor(audited, anchor)
    subject, seconds = f"stack {stack}" if stack else "server", time.monotonic() - begun
    return Report(subject=subject, rules=len(RULES), findings=findings, skipped=skipped, seconds=seconds)


@contextmanager
def opened(
    stack: str | None, url: str | None = None, progress: Progress = lambda message: None, **more: Any
) -> Iterator[Audited]:
    """What the rules look at, while a session is open; `more` are fields of `Audited`.

    :raises AuditError: where it can't be looked at
    :raises CommandError: where there is no such stack, or nothing in it yet
    """
    beside: dict[str, Any] = {"declared": AuditedDeclaration(), "state": None, "s3_buckets": (), "topics": ()}
    if stack is not None:
        progress("reading the state")
        environment = Environment.of(stack)
        if folder := engine.adopted(stack):
            raise AuditError(
                f"stack {stack} is the adopted database of {folder}, and the rules know the app's alone; "
                f"./vpb drift --stack {stack} names manual changes, and ./vpb adopt into a new folder what is unsafe"
            )
        url = url or environment.admin_url
        beside = _beside(stack, environment)
    if url is None:
        raise AuditError("neither a stack nor a server was named")
    with connect(url) as connection:
        if stack is None:
            superusers = [name for (name,) in connection.execute(RECOGNISED).fetchall()]
            beside["declared"] = AuditedDeclaration(platform=recognised(superusers))
        yield Audited(connection=connection, stack=stack, **beside, **more)


def look(
    audited: Audited, rules: Sequence[Rule], progress: Progress = lambda message: None
) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """What the rules find, the worst first, and which of them couldn't look.

    :raises AuditError: where a server goes away meanwhile
    """
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    theirs = platforms.Theirs.of(audited) if audited.declared.platform.name else None
    for number, rule in enumerate(rules, start=1):
        progress(f"rule {number} of {len(rules)}: {rule.id}")
        try:
            found = apply(rule, audited)
            findings += theirs.ours(found) if theirs else found
        except NotSeen as reason:
            skipped.append(Skipped(rule.id, str(reason)))
        except psycopg.Error as error:
            raise AuditError(
                f"rule {rule.id}: {error.diag.message_primary or 'the server ended the connection'}"
            ) from None
        except BotoCoreError as error:
            raise AuditError(f"rule {rule.id}: {type(error).__name__}: does the object store run?") from None
    findings.sort(
        key=lambda finding: (-finding.severity, [rule.id for rule in rules].index(finding.rule), finding.object)
    )
    return tuple(findings), tuple(skipped)


def connect(url: str) -> Connection:
    """A session that can only read, and in which no name means anything but what its schema says.

    :raises AuditError: where the URL is none
    :raises UnreachableError: where the server doesn't let us in; never with the password
    """
    try:
        parameters = connectionurl.parse(url)
    except connectionurl.UrlError as error:
        raise AuditError(f"--url must be {error}") from None
    url = connectionurl.compose(
        {"connect_timeout": "15", "application_name": APPLICATION, **tunnel.through(parameters)}
    )
    with reaching(parameters):
        # What is set below must not stay in a session that a pooler lends to others.
        asyncio.run(refuse_lent(url))
        connection = psycopg.connect(url, autocommit=True)
    connection.execute("set search_path = ''; set default_transaction_read_only = on; set jit = off")
    connection.execute("set statement_timeout = '60s'; set lock_timeout = '5s'")
    return connection


def _beside(stack: str, environment: Environment) -> dict[str, Any]:
    """What is audited of a stack beside its database."""
    state, target = exported.read(stack), engine.target(stack)
    buckets = environment.outputs.get("storage_buckets")
    declared = AuditedDeclaration(buckets, engine.passwords(stack), target.platform)
    if not target.can.object_store:
        return {"declared": declared, "state": state}
    return {
        "declared": declared,
        "state": state,
        "s3_buckets": _s3_buckets(stack, state),
        "topics": _topics(stack, state),
    }


def _s3_buckets(stack: str, state: dict[str, Any]) -> tuple[S3Bucket, ...]:
    client = _client(stack, "s3", s3={"addressing_style": "path"})
    return tuple(S3Bucket(client, id, engine.target(stack).disposable) for id in _ids(state, BUCKETS))


def _topics(stack: str, state: dict[str, Any]) -> tuple[Topic, ...]:
    client = _client(stack, "sns")
    return tuple(Topic(client, id) for id in _ids(state, TOPICS))


def _ids(state: dict[str, Any], types: Sequence[str]) -> list[str]:
    found = (each for each in exported.resources(state) if each["type"] in types)
    return [each["id"] for each in found if not each.get("delete")]


def _client(stack: str, service: str, **more: Any) -> Any:
    aws = engine.target(stack).aws(stack)
    options = {
        "region_name": engine.region(stack),
        "endpoint_url": aws.endpoint,
        "aws_access_key_id": aws.access_key,
        "aws_secret_access_key": aws.secret_key,
    }
    config = Config(retries={"max_attempts": 2}, connect_timeout=5, read_timeout=15, **more)
    return cast(Any, boto3.client(service, config=config, **options))

"""Scans what was uploaded for viruses, and for not being what it says; see docs/objects.md.

Exit status 0: whatever was due is clean, or due again later; 2: something was infected, refused or given up, or the
engine is blind to a type that a bucket takes; 1: it could not be done.
"""

import json
import os
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from declared.objectlayout import GUARDDUTY
from ops.database import UnreachableError
from ops.environment import Environment
from ops.errors import CommandError, answered
from ops.status import FOUND
from ops.storage.scanning.clamd import Clamd, dated
from ops.storage.scanning.engines import Engine, EngineDownError, GuardDuty, TestSignatures
from ops.storage.scanning.job import Alarm, Job, Verdict
from ops.storage.scanning.queue import Queue, Scan
from run import engine

PAUSE_SECONDS = 5.0
# ClamAV brings new signatures every day, and itself complains after a week.
STALE = timedelta(days=7)
TOPIC = re.compile(r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
# What a session meets whose server is stopped, restarted or no longer the one that takes writes.
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
BAD = {"infected", "refused", "failed"}
# What there is nothing to do about.
QUIET = {"clean", "waiting"}


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    stack: str
    watch: bool
    engine: str | None
    clamd: str | None
    topic: str | None
    no_topic: bool
    json: bool
    again: bool = False
    """Whether what was given up is due again first."""
    signature_days: int = 30
    """How old the signatures may be; with older ones nothing is scanned."""


def run(options: Options) -> int:
    """Scan; 2 where something was found.

    :raises UserError: where it can't be done
    """
    job = _job(options)
    _start(job, options)
    if options.again:
        print(f"due again: {job.queue.reopen()} files that were given up", file=sys.stderr, flush=True)
    if not options.watch:
        job.run()
    while options.watch:
        _again(job, options)
        time.sleep(PAUSE_SECONDS)
    if options.json:
        print(json.dumps(job.tally))
    return FOUND if BAD & job.tally.keys() or job.blind else 0


def _start(job: Job, options: Options) -> None:
    """Ask the engine what it is and what it is worth, and say so.

    :raises EngineDownError: where it doesn't answer, or goes by signatures that are too old
    """
    known = job.decided_by
    job.check()
    made = dated(job.decided_by)
    age = datetime.now(UTC) - made if made else None
    if age and age > timedelta(days=options.signature_days):
        raise EngineDownError(
            f"{job.decided_by}: its signatures are {age.days} days old, {options.signature_days} are allowed: "
            "run freshclam, or allow more with --signature-days"
        )
    if job.decided_by == known:
        return
    warnings = [f"finds nothing in {type}, so no such file is called clean: {why}" for type, why in job.blind.items()]
    if age and age > STALE:
        warnings.append(f"its signatures are {age.days} days old: run freshclam")
    if options.json:
        about = {"engine": job.decided_by, "signatures": made.isoformat() if made else None, "blind": dict(job.blind)}
        print(json.dumps(about), flush=True)
    print(
        f"engine: {job.decided_by}", *(f"warning: {each}" for each in warnings), sep="\n", file=sys.stderr, flush=True
    )


def _again(job: Job, options: Options) -> None:
    """A server that is away for a while doesn't end the watch: nothing was taken, or it is due again."""
    try:
        _start(job, options)
        job.run()
    except (EngineDownError, UnreachableError, *AWAY) as error:
        print(f"waiting: {answered(error) or error}", file=sys.stderr, flush=True)


def _job(options: Options) -> Job:
    environment = Environment.of(options.stack)
    scanner = _engine(options, environment)
    topic = None if options.no_topic else options.topic or environment.output("alarm_topic_arn")
    # Else the first file that is infected says so, and waits.
    if topic and not TOPIC.fullmatch(topic):
        raise CommandError(f"--topic is {topic!r}; it must be an SNS topic's ARN, arn:aws:sns:REGION:ACCOUNT:NAME")
    alarm = Alarm(environment.client("sns"), topic) if topic else None
    queue = Queue(str(environment.output("scanner_url")))
    report = _json_line if options.json else _line
    buckets = environment.output("storage_buckets").values()
    lists = [bucket.get("allowed_mime_types") for bucket in buckets]
    # One bucket that takes anything, and the engine has to find it in everything.
    types = {type for each in lists for type in each} if all(lists) else set()
    return Job(queue, environment.store, scanner, alarm, report, types)


def _engine(options: Options, environment: Environment) -> Engine:
    if not options.clamd and (options.engine or environment.output("scanning")) == GUARDDUTY:
        return GuardDuty()
    address = options.clamd or os.environ.get("CLAMD_ADDRESS")
    if not address and not engine.target(options.stack).can.test_signatures:
        raise CommandError(f"stack {options.stack}: name ClamAV's daemon with --clamd or CLAMD_ADDRESS")
    return Clamd(address) if address else TestSignatures()


def _line(scan: Scan, verdict: Verdict) -> None:
    if verdict.status not in QUIET:
        print(f"{scan.label}: {verdict.status}: {verdict.found}", flush=True)


def _json_line(scan: Scan, verdict: Verdict) -> None:
    if verdict.status not in QUIET:
        said = {"bucket": scan.bucket_id, "name": scan.name, "version": scan.version}
        print(json.dumps(said | {"status": verdict.status, "found": verdict.found}), flush=True)

"""Scans what was uploaded for viruses, and for not being what it says; see docs/objects.md.

Exit status 0: whatever was due is clean, or due again later; 2: something was infected, refused or given up; 1: it
could not be done.
"""

import json
import os
import sys
import time
from dataclasses import dataclass

from ops.database import UnreachableError
from ops.environment import Environment
from ops.errors import CommandError
from ops.storage.scanning.engines import Clamd, Engine, EngineDownError, GuardDuty, TestSignatures
from ops.storage.scanning.job import Alarm, Job, Verdict
from ops.storage.scanning.queue import Queue, Scan
from run import engine

FOUND = 2
PAUSE_SECONDS = 5.0
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


def run(options: Options) -> int:
    """Scan; 2 where something was found.

    :raises UserError: where it can't be done
    """
    job = _job(options)
    print(f"engine: {job.engine.check()}", file=sys.stderr, flush=True)
    job.run()
    while options.watch:
        time.sleep(PAUSE_SECONDS)
        _again(job)
    if options.json:
        print(json.dumps(job.tally))
    return FOUND if BAD & job.tally.keys() else 0


def _again(job: Job) -> None:
    """A server that is away for a while doesn't end the watch: nothing was taken, or it is due again."""
    try:
        job.run()
    except (EngineDownError, UnreachableError) as error:
        print(f"waiting: {error}", file=sys.stderr, flush=True)


def _job(options: Options) -> Job:
    environment = Environment.of(options.stack)
    scanner = _engine(options, environment)
    topic = None if options.no_topic else options.topic or environment.output("alarm_topic_arn")
    alarm = Alarm(environment.client("sns"), topic) if topic else None
    queue = Queue(str(environment.output("scanner_url")))
    return Job(queue, environment.store, scanner, alarm, _line if not options.json else _json_line)


def _engine(options: Options, environment: Environment) -> Engine:
    if not options.clamd and (options.engine or environment.output("scanning")) == "guardduty":
        return GuardDuty()
    address = options.clamd or os.environ.get("CLAMD_ADDRESS")
    if not address and not engine.target(options.stack).can.test_signatures:
        raise CommandError(f"stack {options.stack}: name ClamAV's daemon with --clamd or CLAMD_ADDRESS")
    return Clamd(address) if address else TestSignatures()


def _line(scan: Scan, verdict: Verdict) -> None:
    if verdict.status not in QUIET:
        print(f"{scan.place}: {verdict.status}: {verdict.found}", flush=True)


def _json_line(scan: Scan, verdict: Verdict) -> None:
    if verdict.status not in QUIET:
        said = {"bucket": scan.bucket_id, "name": scan.name, "version": scan.version}
        print(json.dumps(said | {"status": verdict.status, "found": verdict.found}), flush=True)

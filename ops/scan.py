"""Scans what was uploaded for viruses, and for not being what it says; see docs/objects.md.

Exit status 0: whatever was due is clean, or due again later; 2: something was infected, refused or given up; 1: it
could not be done.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence

from declared.objectlayout import CLEAN_TAGS
from ops.environment import Environment
from ops.scanning.engines import Clamd, Engine, EngineDownError, GuardDuty, TestSignatures
from ops.scanning.job import Alarm, Job, Verdict
from ops.scanning.queue import Queue, QueueError, Scan
from run import engine
from run.state import EngineError

FOUND = 2
PAUSE_SECONDS = 5.0
BAD = {"infected", "refused", "failed"}
# What there is nothing to do about.
QUIET = {"clean", "waiting"}


def main(arguments: Sequence[str]) -> int:
    """The command."""
    options = _parser().parse_args(arguments)
    job = _job(options)
    try:
        print(f"engine: {job.engine.check()}", file=sys.stderr, flush=True)
        job.run()
        while options.watch:
            time.sleep(PAUSE_SECONDS)
            _again(job)
    except (EngineDownError, QueueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was not scanned waits", file=sys.stderr)
        return 130
    if options.json:
        print(json.dumps(job.tally))
    return FOUND if BAD & job.tally.keys() else 0


def _again(job: Job) -> None:
    """A server that is away for a while doesn't end the watch: nothing was taken, or it is due again."""
    try:
        job.run()
    except (EngineDownError, QueueError) as error:
        print(f"waiting: {error}", file=sys.stderr, flush=True)


def _job(options: argparse.Namespace) -> Job:
    environment = Environment.of(options.stack)
    scanner = _engine(options, environment)
    topic = None if options.no_topic else options.topic or environment.output("alarm_topic_arn")
    alarm = Alarm(environment.client("sns"), topic) if topic else None
    queue = Queue(str(environment.output("scanner_url")))
    return Job(queue, environment.store, scanner, alarm, _line if not options.json else _json_line)


def _engine(options: argparse.Namespace, environment: Environment) -> Engine:
    if not options.clamd and (options.engine or environment.output("scanning")) == "guardduty":
        return GuardDuty()
    address = options.clamd or os.environ.get("CLAMD_ADDRESS")
    if not address and not engine.target(options.stack).can.test_signatures:
        raise EngineError(f"stack {options.stack}: name ClamAV's daemon with --clamd or CLAMD_ADDRESS")
    return Clamd(address) if address else TestSignatures()


def _line(scan: Scan, verdict: Verdict) -> None:
    if verdict.status not in QUIET:
        print(f"{scan.place}: {verdict.status}: {verdict.found}", flush=True)


def _json_line(scan: Scan, verdict: Verdict) -> None:
    if verdict.status not in QUIET:
        said = {"bucket": scan.bucket_id, "name": scan.name, "version": scan.version}
        print(json.dumps(said | {"status": verdict.status, "found": verdict.found}), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops scan", description=__doc__)
    parser.add_argument("--stack", "-s", default="dev", help="the environment")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--once", action="store_true", help="until nothing is due; the default")
    way.add_argument("--watch", action="store_true", help="go on until interrupted")
    scanner = parser.add_mutually_exclusive_group()
    scanner.add_argument(
        "--engine", choices=tuple(CLEAN_TAGS), help="who scans; without it, as the stack says (database:scanning)"
    )
    scanner.add_argument("--clamd", help="tcp://host:port or unix:/path; also from CLAMD_ADDRESS; local can do without")
    alarm = parser.add_mutually_exclusive_group()
    alarm.add_argument("--topic", help="ARN of the SNS topic that hears of infected files; else the stack's own")
    alarm.add_argument("--no-topic", action="store_true", help="tell no topic")
    parser.add_argument(
        "--json", action="store_true", help="for a script: a line for each file that isn't clean, a tally"
    )
    return parser

"""The table of compliance: no control has passed without evidence, on either side."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from declared.backups import backups
from guardrails.checking import check
from guardrails.model import Plan
from guardrails.rules import BY_ID, RULES
from harness import scratch
from ops.audit.declared import AuditedDeclaration
from ops.audit.model import Audited
from ops.audit.registry import RULES as AUDIT
from ops.audit.server import WANTED
from ops.compliance import live, report, run
from ops.compliance.model import CIS, FSBP, Compliance, Line, Side
from tests.guardrails.breaks import BREAKS
from tests.guardrails.conftest import BACKUPS, plan_of

BUCKETS = {"audio": {"public": False, "file_size_limit": 50_000_000, "allowed_mime_types": ["audio/mpeg"]}}


def lines(found: Compliance) -> dict[str, Line]:
    return {f"{line.control.standard} {line.control.id}": line for line in found.lines}


@pytest.fixture(scope="module")
def before() -> dict[str, Line]:
    return lines(run.table("prod", check(plan_of("prod")), None))


def test_controls_name_rules_settings_and_types_that_there_are():
    audited, settings = {rule.id for rule in AUDIT}, {row[0] for row in WANTED}
    for control in run.CONTROLS:
        assert {*control.rules} <= BY_ID.keys(), control
        assert {*control.audit} <= audited, control
        assert {name for name, pattern in control.settings.items() if not pattern} <= settings, control
        assert {*control.types} <= {type for rule in control.rules for type in BY_ID[rule].types}, control
        assert bool(control.absent) != bool(control.rules or control.audit or control.settings), control
    ids = [(control.standard, control.id) for control in run.CONTROLS]
    assert len(ids) == len({*ids})
    assert BY_ID.keys() >= live.UNASKED


def test_the_controls_of_services_used_here_are_those_that_rules_name():
    named = {source for rule in RULES for source in rule.sources if source.startswith((f"{CIS} ", f"{FSBP} "))}
    listed = {f"{control.standard} {control.id}" for control in run.CONTROLS}
    # A section, and manuals of AWS'.
    assert {
        each for each in named - listed if not each.endswith(("3.1", "Tagging best practices", "Vault Lock"))
    } == set()


def test_what_is_declared_has_its_evidence(before):
    assert before["AWS RDS.2"].before == Side("passed", ("server-rds-instance: publiclyAccessible is false",))
    assert before["AWS RDS.7"].before == Side("not applicable", ("nothing of Cluster is declared",))
    assert before["AWS RDS.23"].before == Side("failed", ("server-rds-instance: port is 5432",))
    assert before["AWS S3.1"].before.status == "not seen"
    assert before["CIS PostgreSQL 4.7"].before.status == "passed"
    assert before["CIS PostgreSQL 3.2"].before.status == "not seen"
    assert {line.after for line in before.values() if not line.control.absent} == {run.NOT_THERE}


@pytest.mark.parametrize(
    ("rule", "controls"),
    [
        ("rds-private", {"AWS RDS.2", "CIS PostgreSQL 5.2"}),
        ("s3-encryption", {"AWS S3.17"}),
        ("row-security-off", {"CIS PostgreSQL 4.7"}),
        ("rds-backups", {"AWS RDS.11", "CIS PostgreSQL 7.3", "CIS PostgreSQL 7.4"}),
    ],
)
def test_a_breach_of_the_plan_fails_its_controls_alone_and_names_the_resource(before, rule, controls):
    change = BREAKS[rule]
    found = lines(run.table("prod", check(change.on(plan_of("prod"))), None))
    assert {name for name, line in found.items() if line.before.status != before[name].before.status} == controls
    for control in controls:
        assert found[control].before.status == "failed"
        assert any(each.startswith(f"{change.looked}: ") for each in found[control].before.evidence)


def test_no_side_is_without_evidence():
    with pytest.raises(AssertionError, match="each line has its evidence"):
        Side("passed", ())


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with scratch.server() as made:
        scratch.complete(made.url())
        yield made


@pytest.fixture
def after(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is found in a complete database, after a statement."""

    @contextmanager
    def opened(statement: str) -> Iterator[Audited]:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("set search_path = ''")
            with connection.transaction(force_rollback=True):
                connection.execute(statement.encode())
                yield Audited(connection, AuditedDeclaration(BUCKETS), stack="prod", state={})

    def found(statement: str = "select 1") -> dict[str, Line]:
        monkeypatch.setattr(run, "opened", lambda stack: opened(statement))
        monkeypatch.setattr(run.engine, "target", lambda stack: _NoStore())
        monkeypatch.setattr(run.engine, "backups", lambda stack: backups(BACKUPS))
        plan = plan_of("prod")
        return lines(run.table("prod", check(plan), run.found("prod", plan)))

    return found


class _NoStore:
    class can:
        object_store = False


def test_what_is_there_is_asked_of_the_database_and_a_manual_change_fails_its_control(after):
    there = after()
    assert there["CIS PostgreSQL 4.7"].after.status == "passed"
    assert any("row policies on" in each for each in there["CIS PostgreSQL 4.7"].after.evidence)
    assert there["CIS PostgreSQL 3.1.23"].after == Side("passed", ("log_hostname is off",))
    assert there["CIS PostgreSQL 3.2"].after.status == "failed"
    assert there["AWS RDS.2"].after.status == "not seen", "no account was asked"
    assert all(line.after.evidence for line in there.values())
    broken = after("alter table public.projects disable row level security")
    assert broken["CIS PostgreSQL 4.7"].before.status == "passed"
    assert broken["CIS PostgreSQL 4.7"].after.status == "failed"
    assert any("public.projects" in each for each in broken["CIS PostgreSQL 4.7"].after.evidence)


BACKUP = """
    insert into private.backups (backup, taken_at, kept_until, place, drilled_at, passed, recovery_point, recovery_time)
    values ('20260101T000000Z-00000001', now() - interval '{hours} hours', now() + interval '9 days', 'here', now(),
        {passed}, {took}, {took})
"""


@pytest.mark.parametrize(
    ("statement", "status", "said"),
    [
        ("select 1", "failed", "private.backups notes none"),
        (BACKUP.format(hours=2, passed="true", took="'1 hour'"), "passed", "is 2 hours old, promised are 24"),
        (BACKUP.format(hours=40, passed="true", took="'1 hour'"), "failed", "is 40 hours old, promised are 24"),
        (BACKUP.format(hours=2, passed="false", took="null"), "failed", "has failed"),
    ],
)
def test_a_backup_is_as_new_as_is_promised_and_was_proven(after, statement, status, said):
    found = after(statement)["CIS PostgreSQL 7.3"].after
    assert found.status == status
    assert any(said in each for each in found.evidence)


def test_a_setting_that_the_server_has_not_is_not_seen(after):
    evidence = run.Evidence()
    run._setting("no_such", "on", {}, evidence)
    assert evidence.side(run.NOT_THERE) == Side("not seen", ("the server has no setting no_such",))


def test_the_report_for_scripts_has_each_control_with_both_sides():
    found = run.table("prod", check(replace(plan_of("prod"), resources=())), None)
    said = json.loads(report.as_json(found))
    assert said.keys() == {"stack", "clean", "counts", "controls"}
    assert said["clean"] is True
    assert said["counts"]["before"].get("passed") is None, "of nothing nothing has passed"
    for entry in said["controls"]:
        assert entry.keys() == {"standard", "control", "title", "before", "after"}
        for side in ("before", "after"):
            assert entry[side]["status"] in ("failed", "not applicable", "not seen", "passed")
            assert entry[side]["evidence"]
    assert Plan(()).of_type("x") == []

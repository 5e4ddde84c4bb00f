"""Making the table: each control against the plan, and against the database and the account."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import psycopg

from declared.backups import BackupSettings
from guardrails.checking import Checked, check
from guardrails.model import Plan, Resource, Result, Status
from guardrails.rules import BY_ID
from ops.audit.model import Audited, NotSeen
from ops.audit.registry import RULES as AUDIT
from ops.audit.report import Report
from ops.audit.run import look, opened
from ops.audit.server import WANTED
from ops.compliance import cis, fsbp, live
from ops.compliance.model import Compliance, Control, Line, Side
from ops.compliance.observed import BACKUPS, OBSERVED, SETTINGS
from ops.environment import Environment
from ops.guardrails import planned
from run import engine

CONTROLS = (*cis.CONTROLS, *fsbp.CONTROLS)
PATTERNS = {row[0]: row[1] for row in WANTED}
# So many lines of evidence for a control that has passed; what failed is listed whole.
FEW = 3
NOT_THERE = Side("not seen", ("only what is declared was looked at",))


@dataclass
class Evidence:
    """What speaks for a control and against it."""

    good: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def side(self, nothing: Side) -> Side:
        """What follows; one thing that isn't seen and none that is bad is not seen."""
        if self.bad:
            return Side("failed", tuple(self.bad))
        if self.unseen:
            return Side("not seen", tuple(self.unseen))
        if not self.good:
            return nothing
        more = len(self.good) - FEW
        return Side("passed", (*self.good[:FEW], *([f"and {more} more"] if more > 0 else [])))

    def add(self, other: "Evidence") -> None:
        """The same of something else too."""
        self.good += other.good
        self.bad += other.bad
        self.unseen += other.unseen

    def take(self, result: Result) -> None:
        """What a guardrail says of one resource."""
        text = f"{result.resource.name}: {result.evidence}"
        if result.status is Status.passed:
            self.good.append(text)
        elif result.status is Status.unknown:
            self.unseen.append(text)
        else:
            self.bad.append(text)


@dataclass(frozen=True)
class Found:
    """What is there: in the database, and at AWS."""

    report: Report
    settings: Mapping[str, str]
    observed: Mapping[str, str]
    account: Checked
    backups: Evidence
    """What the database notes of its backups."""
    unasked: tuple[str, ...] = ()
    """What at AWS couldn't be asked, and why."""


def made(stack: str, plan_alone: bool = False) -> Compliance:
    """The table of a stack.

    :raises CommandError: where there is no such stack, or its plan can't be made
    :raises AuditError: where its database can't be looked at
    """
    before = planned.checked(stack)
    after = None if plan_alone else found(stack, before.plan)
    return table(stack, before, after)


def table(stack: str, before: Checked, after: Found | None) -> Compliance:
    """The same from what the rules say."""
    by_rule, there = _by_rule(before.results), _by_rule(after.account.results) if after else {}
    lines = (
        Line(
            control,
            _before(control, by_rule),
            _after(control, after, there) if after else _absent(control) or NOT_THERE,
        )
        for control in CONTROLS
    )
    return Compliance(stack, tuple(lines))


def _by_rule(results: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.rule.id, []).append(result)
    return found


def _absent(control: Control) -> Side | None:
    if not control.absent:
        return None
    return Side("not seen" if control.applies else "not applicable", (control.absent,))


def _before(control: Control, by_rule: Mapping[str, list[Result]]) -> Side:
    if absent := _absent(control):
        return absent
    if not control.rules:
        return Side("not seen", ("no resource declares it",))
    evidence = Evidence()
    for result in _of(control, by_rule):
        evidence.take(result)
    types = control.types or {type for rule in control.rules for type in BY_ID[rule].types}
    kinds = sorted({type.rpartition(":")[2] for type in types})
    return evidence.side(Side("not applicable", (f"nothing of {', '.join(kinds)} is declared",)))


def _of(control: Control, by_rule: Mapping[str, list[Result]]) -> Iterator[Result]:
    """What its rules say of the resources that it is about; rules in turn, so that the first lines differ."""
    groups = [
        [each for each in by_rule.get(rule, ()) if not control.types or each.resource.type in control.types]
        for rule in control.rules
    ]
    for number in range(max(map(len, groups), default=0)):
        yield from (group[number] for group in groups if number < len(group))


def _after(control: Control, after: Found, there: Mapping[str, list[Result]]) -> Side:
    if absent := _absent(control):
        return absent
    evidence = Evidence()
    for rule in control.audit:
        _audited(rule, after, evidence)
    for name, pattern in control.settings.items():
        _setting(name, pattern or PATTERNS[name], after.settings, evidence)
    if control.backups:
        evidence.add(after.backups)
    for result in _of(control, there):
        evidence.take(result)
    return evidence.side(Side("not seen", after.unasked or ("nothing that is there was asked for it",)))


def _audited(rule: str, after: Found, evidence: Evidence) -> None:
    findings = [each for each in after.report.findings if each.rule == rule]
    evidence.bad += [f"{each.object}: {each.reason}" for each in findings]
    skipped = [each.reason for each in after.report.skipped if each.rule == rule]
    evidence.unseen += [f"{rule}: {reason}" for reason in skipped]
    if not findings and not skipped and rule in after.observed:
        evidence.good.append(after.observed[rule])


def _setting(name: str, pattern: str, settings: Mapping[str, str], evidence: Evidence) -> None:
    if name not in settings:
        evidence.unseen.append(f"the server has no setting {name}")
        return
    value = settings[name]
    text = f"{name} is {value or 'empty'}"
    (evidence.good if re.search(pattern, value) else evidence.bad).append(text)


def found(stack: str, plan: Plan) -> Found:
    """What is there of a stack.

    :raises AuditError: where its database can't be looked at
    """
    with opened(stack) as audited:
        findings, skipped = look(audited, AUDIT)
        report = Report(f"stack {stack}", len(AUDIT), findings, skipped, 0)
        settings = {row["name"]: row["value"] or "" for row in audited.rows(SETTINGS)}
        observed = dict(_observed(audited))
        backups = _backups(audited, engine.backups(stack))
        state = audited.resources()
    asked: list[Resource] = []
    unasked: list[str] = []
    client = Environment.of(stack).client if engine.target(stack).can.object_store else None
    for each in live.resources([dict(one) for one in state], client) if client else ():
        (unasked.append(str(each)) if isinstance(each, NotSeen) else asked.append(each))
    rules = [rule for rule in BY_ID.values() if rule.id not in live.UNASKED]
    account = check(Plan(tuple(asked), stack, plan.kept, plan.production), rules=rules)
    return Found(report, settings, observed, account, backups, tuple(unasked))


def _backups(audited: Audited, promised: BackupSettings | None) -> Evidence:
    """Whether the newest backup is as new as is promised, and the last drill has passed."""
    if promised is None:
        return Evidence(unseen=["database:backups promises none"])
    try:
        with audited.connection.transaction():
            (found,) = audited.rows(BACKUPS)
    except psycopg.Error as error:
        return Evidence(unseen=[f"private.backups: {error.diag.message_primary}"])
    if found["backup"] is None:
        return Evidence(bad=["private.backups notes none"])
    evidence = Evidence()
    age = f"backup {found['backup']} is {found['hours']:.0f} hours old, promised are {promised.recovery_point}"
    (evidence.good if found["hours"] <= promised.recovery_point else evidence.bad).append(age)
    drill = f"the last drill, of {found['drilled']}, has {'passed' if found['passed'] else 'failed'}"
    if found["drilled"] is None:
        evidence.bad.append("no drill is noted")
    else:
        (evidence.good if found["passed"] else evidence.bad).append(drill)
    return evidence


def _observed(audited: Audited) -> Iterator[tuple[str, str]]:
    """What each rule of the audit has looked at; nothing where the login may not see it."""
    for rule, query in OBSERVED.items():
        try:
            with audited.connection.transaction():
                seen = "; ".join(str(row["seen"]) for row in audited.rows(query) if row["seen"])
        except psycopg.Error:
            continue
        if seen:
            yield rule, seen

"""An audit as a table for people, and as JSON for scripts."""

import json
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.audit.model import Finding, Severity, Skipped

COLOURS = {
    Severity.critical: "bold red",
    Severity.high: "red",
    Severity.medium: "yellow",
    Severity.low: "cyan",
    Severity.info: "dim",
}


@dataclass(frozen=True)
class Report:
    """What was found, the worst first; what couldn't be looked at; what it took."""

    subject: str
    rules: int
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    seconds: float

    def failing(self, least: Severity) -> list[Finding]:
        """What is at least this bad."""
        return [finding for finding in self.findings if finding.severity >= least]

    @property
    def counts(self) -> dict[str, int]:
        """How many of each severity, the worst first."""
        found = [finding.severity for finding in self.findings]
        return {severity.name: found.count(severity) for severity in reversed(Severity)}


def as_json(report: Report, least: Severity) -> str:
    """The report for scripts; its form is held by tests/audit/test_audit_command.py."""
    return json.dumps(
        {
            "audited": report.subject,
            "clean": not report.failing(least),
            "fail_on": least.name,
            "rules": report.rules,
            "counts": report.counts,
            "findings": [
                {**asdict(finding), "severity": finding.severity.name, "standards": list(finding.standards)}
                for finding in report.findings
            ],
            "skipped": [asdict(skipped) for skipped in report.skipped],
        },
        indent=2,
        ensure_ascii=False,
    )


def as_table(report: Report, least: Severity, console: Console) -> None:
    """The report for people: one block a severity, the worst first."""
    for severity in reversed(Severity):
        found = [finding for finding in report.findings if finding.severity is severity]
        if found:
            console.print(_table(severity, found))
    for skipped in report.skipped:
        console.print(f"not checked: {skipped.rule}: {skipped.reason}", style="yellow", markup=False)
    failing = report.failing(least)
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items() if count) or "nothing found"
    verdict = f"{len(failing)} to mend" if failing else "clean"
    console.print(
        f"{report.subject}: {verdict}; {report.rules} rules, {counts}, {report.seconds:.1f} s",
        style="bold red" if failing else "bold green",
        markup=False,
        soft_wrap=True,
    )


def _table(severity: Severity, found: list[Finding]) -> Table:
    table = Table(
        title=severity.name, title_style=COLOURS[severity], title_justify="left", expand=True, show_lines=True
    )
    table.add_column("object", ratio=2, overflow="fold")
    table.add_column("what is wrong · repair · rule", ratio=5, overflow="fold")
    for finding in found:
        # Names come from the servers: markup in one of them is text.
        rule = Text(" · ".join([finding.rule, *finding.standards]), style="dim")
        table.add_row(Text(finding.object), Text("\n").join([Text(finding.reason), Text(finding.repair), rule]))
    return table

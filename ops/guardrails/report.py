"""What the guardrails say, as a table for people and as JSON for scripts."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from declared.exceptions import SETTING, GuardrailException
from guardrails.checking import Checked
from guardrails.model import Result, Severity, Status
from guardrails.rules import RULES

COLOURS = {Severity.critical: "bold red", Severity.high: "red", Severity.medium: "yellow", Severity.low: "cyan"}


def as_json(found: Checked) -> str:
    """The report for scripts; its form is held by tests/guardrails/test_command.py."""
    return json.dumps(
        {
            "stack": found.plan.stack,
            "clean": not found.refused,
            "rules": len(RULES),
            "passed": len(found.having(Status.passed)),
            **{
                status.name: [_entry(each) for each in found.having(status)]
                for status in Status
                if status.name != "passed"
            },
            "exceptions": {
                "expired": [_exception(each) for each in found.expired],
                "unused": [_exception(each) for each in found.unused],
            },
        },
        indent=2,
        ensure_ascii=False,
    )


def _entry(result: Result) -> dict[str, Any]:
    rule = result.rule
    return {
        "rule": rule.id,
        "severity": rule.severity.name,
        "mandatory": rule.severity.mandatory,
        "resource": result.resource.name,
        "type": result.resource.type,
        "evidence": result.evidence,
        "reason": rule.reason,
        "repair": rule.repair,
        "sources": list(rule.sources),
    }


def _exception(each: GuardrailException) -> dict[str, str]:
    return {"rule": each.rule, "resource": each.resource, "reason": each.reason, "until": each.until.isoformat()}


def as_table(found: Checked, console: Console) -> None:
    """The report for people: one block a severity, the worst first."""
    failed = found.having(Status.failed)
    for severity in reversed(Severity):
        if block := [each for each in failed if each.rule.severity is severity]:
            console.print(_table(severity, block))
    for status, style in ((Status.excepted, "dim"), (Status.unknown, "yellow")):
        for each in found.having(status):
            console.print(
                f"{status.value}: {each.rule.id}: {each.resource.name}: {each.evidence}", style=style, markup=False
            )
    for exception in found.unused:
        said = f"warning: {SETTING}: nothing needs {exception.rule} of {exception.resource}; take it out"
        console.print(f"{said} of Pulumi.{found.plan.stack}.yaml", style="yellow", markup=False)
    refused = len(found.refused)
    counts = ", ".join(f"{len(found.having(status))} {status.value}" for status in Status)
    verdict = f"{refused} to mend" if refused else "nothing is refused"
    console.print(
        f"stack {found.plan.stack}: {verdict}; {len(RULES)} rules, {len(found.plan.resources)} resources: {counts}",
        style="bold red" if refused else "bold green",
        markup=False,
        soft_wrap=True,
    )


def _table(severity: Severity, found: list[Result]) -> Table:
    title = f"{severity.name}{'' if severity.mandatory else ', advisory'}"
    table = Table(title=title, title_style=COLOURS[severity], title_justify="left", expand=True, show_lines=True)
    table.add_column("resource", ratio=2, overflow="fold")
    table.add_column("what is wrong · repair · rule", ratio=5, overflow="fold")
    for each in found:
        rule = each.rule
        said = [Text(f"{each.evidence}: {rule.reason}"), Text(rule.repair)]
        said.append(Text(" · ".join([rule.id, *rule.sources]), style="dim"))
        table.add_row(Text(each.resource.name), Text("\n").join(said))
    return table

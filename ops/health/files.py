"""What other tools watch a stack's health by: postgres_exporter, Prometheus, Grafana.

All of them go by the parts of `ops.health()`, which the login `monitor` asks for.
The thresholds are those of the stack's file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from declared.health import CHECKS, PARTS, UNREADABLE, Check
from ops.errors import CommandError

QUERIES, RULES, DASHBOARD = "postgres-exporter.yml", "prometheus-rules.yml", "grafana-dashboard.json"
# What is over a threshold for one scrape alone is no alarm.
PATIENCE = "2m"
# A metric of each part that is always there.
ALWAYS = {"session": "connections", "table": "database_bytes", "app": "scans_failed", "usage": "errors"}
# How Prometheus writes a value for people.
HUMAN = {
    "share": " | humanizePercentage",
    "seconds": " | humanizeDuration",
    "bytes": " | humanize1024",
    "days": " | humanize",
    "dollars": " | humanize",
    "count": " | humanize",
    "times": " | humanize",
}
GRAFANA_UNITS = {
    "share": "percentunit",
    "seconds": "s",
    "bytes": "bytes",
    "days": "d",
    "dollars": "currencyUSD",
    "count": "none",
    "times": "none",
}
COLUMNS, WIDTH, HEIGHT = 3, 8, 7


@dataclass(frozen=True)
class Watched:
    """A stack whose health is watched, and by what."""

    stack: str
    checks: Mapping[str, Check]
    runbooks: str
    """Where the pages of `docs/runbooks` are found by who gets an alarm: an address or a folder."""
    expected: tuple[str, ...] = ()
    """Metrics of which it is bad that there is none."""

    def write(self, folder: Path) -> list[Path]:
        """The three files; those that are there are replaced.

        :raises CommandError: where they can't be written
        """
        texts = {
            QUERIES: yaml.safe_dump(self.queries(), sort_keys=False, width=1000),
            RULES: yaml.safe_dump(self.rules(), sort_keys=False, width=1000),
            DASHBOARD: json.dumps(dashboard(self), indent=2) + "\n",
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (folder / name).write_text(text)
        except OSError as error:
            raise CommandError(f"{folder}: {error.strerror}") from None
        return [folder / name for name in texts]

    def queries(self) -> dict[str, Any]:
        """The file of `--extend.query-path`: each part by itself, so that a lock takes no other part away."""
        return {
            f"vpb_{part}": {
                "query": f"select '{self.stack}' as stack, metric, object, value from ops.{part}_metrics()",
                "metrics": [
                    {"stack": {"usage": "LABEL", "description": "The environment"}},
                    {"metric": {"usage": "LABEL", "description": "What was measured"}},
                    {"object": {"usage": "LABEL", "description": "Of what; empty for the whole database"}},
                    {"value": {"usage": "GAUGE", "description": "How much, in the unit of the metric"}},
                ],
            }
            for part in PARTS
        }

    def series(self, name: str) -> str:
        """What postgres_exporter makes of a metric: it puts the name of the query before that of the column."""
        return f'{{__name__=~"vpb_.+_value", stack="{self.stack}", metric="{name}"}}'

    def rules(self) -> dict[str, Any]:
        """One alert for each threshold, and for what has to be there."""
        alerts = [alert for name in self.checks for alert in self._alerts(name)]
        alerts += [self._absent(name) for name in self.expected]
        parts = [self._unreadable(part) for part in PARTS if part in ALWAYS]
        return {"groups": [{"name": f"vpb-{self.stack}", "rules": [*alerts, *parts]}]}

    def _alerts(self, name: str) -> Iterator[dict[str, Any]]:
        check = self.checks[name]
        over = "<=" if check.below else ">="
        for severity, limit in (("warning", check.warning), ("critical", check.critical)):
            if limit is not None and name != UNREADABLE:
                summary = f"{check.title} {{{{ $labels.object }}}}: {{{{ $value{HUMAN[check.unit]} }}}}"
                expression = f"{self.series(name)} {over} {limit:.10g}"
                yield self._alert(f"{_camel(name)}{severity.capitalize()}", expression, severity, summary, name)

    def _absent(self, name: str) -> dict[str, Any]:
        expression, title = f"absent({self.series(name)})", f"{self.checks[name].title}: there was none"
        return self._alert(f"{_camel(name)}Missing", expression, "critical", title, name)

    def _unreadable(self, part: str) -> dict[str, Any]:
        expression = f"absent({self.series(ALWAYS[part])})"
        summary = f"the part {part} of the health can't be read"
        return self._alert(f"{part.capitalize()}Unreadable", expression, "critical", summary, UNREADABLE)

    def _alert(self, name: str, expression: str, severity: str, summary: str, page: str) -> dict[str, Any]:
        return {
            "alert": name,
            "expr": expression,
            "for": PATIENCE,
            "keep_firing_for": PATIENCE,
            "labels": {"severity": severity, "stack": self.stack},
            "annotations": {"summary": f"{self.stack}: {summary}", "runbook_url": f"{self.runbooks}/{page}.md"},
        }


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def dashboard(watched: Watched) -> dict[str, Any]:
    """A panel for each metric, its thresholds as lines; Grafana asks which Prometheus it is."""
    names = [name for name in watched.checks if name != UNREADABLE]
    panels = [_panel(number, watched, name) for number, name in enumerate(names)]
    return {
        "uid": f"vpb-{watched.stack}"[:40],
        "title": f"Database health, {watched.stack}",
        "tags": ["postgresql"],
        "timezone": "browser",
        "schemaVersion": 39,
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]
        },
        "panels": panels,
    }


def _panel(number: int, watched: Watched, name: str) -> dict[str, Any]:
    check = watched.checks[name]
    source = {"type": "prometheus", "uid": "${source}"}
    row, column = divmod(number, COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": name,
        "description": f"{CHECKS[name].title}; docs/runbooks/{name}.md",
        "datasource": source,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": column * WIDTH, "y": row * HEIGHT},
        "targets": [{"refId": "A", "expr": watched.series(name), "legendFormat": "{{object}}", "datasource": source}],
        "fieldConfig": {
            "defaults": {
                "unit": GRAFANA_UNITS[check.unit],
                "thresholds": {"mode": "absolute", "steps": _steps(check)},
                "custom": {"thresholdsStyle": {"mode": "line"}},
            },
            "overrides": [],
        },
    }


def _steps(check: Check) -> list[dict[str, Any]]:
    """The colours from the lowest value up; where small values are bad, each begins where the worse one ends."""
    limits = [limit for limit in (check.warning, check.critical) if limit is not None]
    colors = [color for color, limit in (("yellow", check.warning), ("red", check.critical)) if limit is not None]
    values, colors = (
        ([*reversed(limits)], [*reversed(colors), "green"]) if check.below else (limits, ["green", *colors])
    )
    return [{"value": value, "color": color} for value, color in zip([None, *values], colors, strict=True)]

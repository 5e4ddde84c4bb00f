"""A report as one HTML page that asks nobody for anything: styles, charts and runbooks stand in it."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from declared.errors import printable
from declared.health import CHECKS
from declared.paths import CHECKOUT
from ops.counting import counted
from ops.health.report import shown
from ops.report import charts, words
from ops.report.model import StatusReport

FOLDER = Path(__file__).parent
TEMPLATE, STYLE = "page.html", "page.css"
RUNBOOKS = CHECKOUT / "docs" / "runbooks"
# So many rows of a table beside a chart.
ROWS = 14
SIGNS = {"ok": "✓", "warning": "▲", "critical": "✕", "unknown": "?"}
SEVERITIES = {"critical": "critical", "high": "warning", "medium": "warning", "low": "unknown", "info": "unknown"}


def of(report: StatusReport) -> str:
    """The page."""
    values, style = report.values, (FOLDER / STYLE).read_text()
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"day": _day, "moment": words.moment, "age": words.age, "clean": printable}
    environment.globals |= {
        "figure": lambda path, unit="count": _figure(values, path, unit),
        "few": few,
        "chart_of": _chart,
        "bars": _bars,
        "near": charts.is_near,
        "shown": shown,
        "counted": counted,
        "signs": SIGNS,
        "severities": SEVERITIES,
        "metric_title": lambda metric: CHECKS[metric].title if metric in CHECKS else metric,
    }
    return environment.get_template(TEMPLATE).render(
        report=values,
        summary=values["summary"],
        parts={name: part | {"name": name} for name, part in values["parts"].items()},
        style=Markup(style),
        style_hash=_hash(style),
        runbooks=_runbooks(values),
    )


def _hash(style: str) -> str:
    """What the page's policy allows its style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


def at(values: Any, path: str) -> Any:
    """What stands at a path such as `parts.health.found.metrics.0.value`."""
    for word in path.split("."):
        values = values[int(word)] if isinstance(values, list) else values[word]
    return values


def _figure(values: Mapping[str, Any], path: str, unit: str) -> Markup:
    """A number for people, with the number itself, and where in the JSON it stands."""
    value = at(values, path)
    if value is None:
        return escape("–" if unit != "never" else "never")
    text = f"{value:,.1f} ms" if unit == "ms" else f"{value:,.10g}" if unit == "count" else shown(value, unit)
    return Markup('<data value="{}" data-at="{}">{}</data>').format(json.dumps(value), path, text)


def few(rows: list[Any], most: int = ROWS) -> list[tuple[int, Any]]:
    """So many rows with their places, evenly, the first and the last too."""
    if len(rows) <= most:
        return list(enumerate(rows))
    return [(place, rows[place]) for place in (round(n * (len(rows) - 1) / (most - 1)) for n in range(most))]


def _day(text: str) -> str:
    """A day in ISO 8601 as `3 May 2027`."""
    return words.day(date.fromisoformat(text[:10]))


def _chart(growth: Mapping[str, Any]) -> Markup:
    # The texts in it are numbers, dates and units.
    return Markup(charts.growth(growth)) if len(growth["forecast"]["days"]) > 1 else Markup()


def _bars(rows: list[Mapping[str, Any]], name: str, value: str, unit: str) -> Markup:
    # Whatever draws it writes XML, so names from the database are escaped.
    return Markup(charts.bars([(printable(str(row[name])), float(row[value])) for row in rows], unit))


def _runbooks(values: Mapping[str, Any]) -> list[tuple[str, Markup]]:
    """The pages of the metrics that were measured, by metric: ours, so that their HTML is."""
    health = values["parts"]["health"]["found"]
    named = {each["metric"] for each in health["metrics"]} if health else set()
    named |= {each["metric"] for each in values["parts"]["growth"]["found"] or ()}
    pages = [(name, RUNBOOKS / f"{name}.md") for name in CHECKS if name in named]
    return [(name, _html(path.read_text(), named)) for name, path in pages if path.exists()]


def _html(page: str, there: set[str]) -> Markup:
    """A runbook below its title, whose links lead to the others in the page, or to nothing."""

    def link(found: re.Match[str]) -> str:
        name = found[2].removesuffix(".md")
        return f"[{found[1]}](#runbook-{name})" if name in there else found[1]

    text = re.sub(r"\[([^\]]*)\]\(([^)]*)\)", link, page.split("\n", 1)[1])
    html = MarkdownIt("commonmark", {"html": False}).render(re.sub(r"(?m)^## ", "### ", text))
    # What scrolls has to be reached without a mouse.
    return Markup(html.replace("<pre>", '<pre tabindex="0">'))

"""What the first screen says of forecasts, and of a database that doesn't answer."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from declared import health
from ops.environment import Environment
from ops.report import page, parts, words
from ops.report.forecast import Day, Forecast
from ops.report.growth import Growth
from ops.report.model import Part, StatusReport, Subject

NOW = datetime(2026, 11, 30, 2, tzinfo=UTC)
SOON, LATER, LATEST, UNTIL = date(2026, 12, 9), date(2027, 3, 3), date(2027, 5, 1), date(2027, 11, 30)
DAYS = [Day(date(2026, 11, 1), 1.0), Day(date(2026, 11, 30), 80.0)]


def growth(verdict: str, name: str = "disk", limit: float | None = 100.0, **changes: object) -> Growth:
    known = {"met": None, "earliest": None, "latest": None, "until": UNTIL, "per_month": 3.0}
    found = Forecast(verdict=verdict, needed=14, days=DAYS, ahead=[], **{**known, **changes})  # type: ignore[arg-type]
    return Growth(name, name.capitalize(), "database_bytes", "bytes", limit, "a test", found)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            growth("date", met=LATER, earliest=SOON, latest=LATEST),
            "Disk is full around 3 March 2027 (between 9 December 2026 and 1 May 2027, in nine of ten cases).",
        ),
        (
            growth("date", met=LATER, earliest=SOON),
            "Disk is full around 3 March 2027 (at the earliest 9 December 2026, and perhaps after 30 November 2027, in "
            "nine of ten cases).",
        ),
        (
            growth("possible", earliest=LATER),
            "Disk: no end expected until 30 November 2027; it can't be ruled out from 3 March 2027 on.",
        ),
        (growth("none"), "Disk: no end in sight until 30 November 2027."),
        (growth("falling"), "Disk: getting less; no end in sight."),
        (growth("reached"), "Disk: the limit of 100 B is reached."),
        (growth("too few", until=None), "Disk: too few samples to say, 2 days of 14."),
        (growth("no limit", limit=None), "Disk: 3 B more a month; there is no limit to meet."),
        (growth("no limit", limit=None, per_month=0.001), "Disk: stays about the same; there is no limit to meet."),
    ],
    ids=lambda found: found.forecast.verdict if isinstance(found, Growth) else "",
)
def test_a_forecast_is_a_sentence(found: Growth, said: str) -> None:
    assert words.sentence(found) == said


def unread() -> dict[str, Part]:
    return {name: Part(title, None, "it doesn't answer") for name, (title, _) in parts.READERS.items()}


def subject() -> Subject:
    return Subject(Environment("dev", {}), "local", health.checks({}), None, NOW)


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        ([growth("date", met=SOON, earliest=SOON, latest=LATER)], "critical", "Disk is full around 9 December 2026"),
        ([growth("date", "budget", met=SOON, earliest=SOON)], "warning", "Budget use up the month's budget around"),
        ([growth("date", met=LATEST, earliest=LATER), growth("none", "files")], "", "Disk is full around 1 May 2027"),
        ([growth("none"), growth("falling", "files")], "", "No end in sight for disk and files until 30 November"),
        ([growth("too few", until=None)], "", "Too few samples to say: 2 days of the 14 that a forecast needs."),
    ],
)
def test_what_runs_out_soon_is_for_attention(found: list[Growth], level: str, said: str) -> None:
    made = words.summary(subject(), unread() | {"growth": Part("Growth", found, None)})
    assert made.forecast.startswith(said)
    assert [each.level for each in made.attention if each.part == "growth"] == [level] * bool(level)


def test_a_database_that_does_not_answer_is_no_healthy_one(tmp_path: Path) -> None:
    found = unread()
    made = words.summary(subject(), found)
    assert (made.level, made.verdict) == ("unknown", "The state is not fully known")
    assert {each.level for each in made.glance} == {"unknown"}
    away = {name: replace(part, unreachable=name != "cost") for name, part in found.items()}
    made = words.summary(subject(), away)
    assert (made.level, made.verdict) == ("critical", "Something needs attention now")
    assert [each.text for each in made.attention] == ["The database can't be reached.", "Cost: could not be read."]
    assert {each.part for each in made.glance if each.level == "critical"} == {"health"}
    text = page.of(StatusReport("dev", "local", NOW, made, found))
    assert text.count("it doesn&#39;t answer") == len(parts.READERS)

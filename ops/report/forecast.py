"""When something that grows meets its limit: a straight line through daily values, with the interval it is good for.

The days of a database aren't independent: today is much like yesterday. A line through them is less certain than the
number of days makes it look, so that number is reduced by how much neighbours are alike (lag-1 autocorrelation of the
residuals). Within nine of ten such intervals lies what comes, as long as nothing changes how fast it grows.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal

CONFIDENCE = 0.9
# Days with a value; below that, two weeks of the same weekday aren't in it.
LEAST = 14
# A month is over before there are so many.
LEAST_OF_MONTH = 5
# So many times the days that were seen is looked ahead, and never further than this.
TIMES, FURTHEST = 4, 730
# Student's distribution, 95 %, by degrees of freedom from 1 on.
STUDENT = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753)
MANY = 1.645

Verdict = Literal["too few", "no limit", "reached", "date", "possible", "none", "falling"]


@dataclass(frozen=True)
class Day:
    """A value of a day."""

    day: date
    value: float


@dataclass(frozen=True)
class Ahead:
    """What is expected of a day to come, and between what it lies in nine of ten cases."""

    day: date
    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """When a limit is met."""

    verdict: Verdict
    """
    too few: days to say anything; no limit: there is nothing to run out of; reached: it has;
    date: it is met; possible: it may be met, but is rather not; none: no end in sight; falling: it grows less.
    """
    needed: int
    """Days with a value that it takes."""
    days: list[Day]
    per_month: float | None
    """How much it grows in 30 days; None where there are too few days."""
    until: date | None
    """How far it looks."""
    met: date | None
    earliest: date | None
    latest: date | None
    """None where that is later than it looks, or never."""
    ahead: list[Ahead]


@dataclass(frozen=True)
class _Line:
    slope: float
    mean: tuple[float, float]
    spread: float
    """Sum of the squared distances of the days from their mean."""
    deviation: float
    independent: float
    """How many independent days these are worth."""

    def at(self, x: float) -> tuple[float, float, float]:
        """Low, middle and high."""
        away = x - self.mean[0]
        middle = self.mean[1] + self.slope * away
        width = self.deviation * math.sqrt(1 + 1 / self.independent + away * away / self.spread)
        width *= student(self.independent - 2)
        return middle - width, middle, middle + width

    @property
    def falls(self) -> bool:
        """Whether it certainly does."""
        return self.slope + student(self.independent - 2) * self.deviation / math.sqrt(self.spread) < 0


def student(freedom: float) -> float:
    """The factor of a one-sided interval of 95 %."""
    whole = max(1, math.floor(freedom))
    # Beyond the table, the first term of the expansion around the normal distribution is exact to a thousandth.
    return STUDENT[whole - 1] if whole <= len(STUDENT) else MANY + (MANY**3 + MANY) / (4 * whole)


def daily(samples: Iterable[tuple[datetime, float]], highest: bool = False) -> list[Day]:
    """One value a day, in UTC: the last one, or the highest."""
    found: dict[date, float] = {}
    for at, value in sorted(samples):
        day = at.astimezone(UTC).date()
        found[day] = max(found.get(day, value), value) if highest else value
    return [Day(day, value) for day, value in sorted(found.items())]


def of(days: Sequence[Day], limit: float | None, now: date) -> Forecast:
    """When what has these values meets a limit, seen from a day on."""
    if len(days) < LEAST:
        return _unsaid("too few", LEAST, days)
    line = _line(days)
    span = (days[-1].day - days[0].day).days
    until = now + timedelta(days=min(TIMES * span, FURTHEST))
    ahead = [_ahead(line, days[-1], day) for day in _days(now, until)]
    return _judged(days, ahead, limit, LEAST, 30 * line.slope, line.falls)


def _ahead(line: _Line, last: Day, day: date) -> Ahead:
    """What the line expects; a jump away from it in the last days may stay, so that is in the interval too."""
    low, middle, high = line.at(day.toordinal())
    on = last.value + line.slope * (day - last.day).days
    return Ahead(day, min(low, on), middle, max(high, on))


def of_month(days: Sequence[Day], limit: float | None, now: date) -> Forecast:
    """The same of what is added up within a calendar month and begins again with the next: its days are summands.

    What is to come is the sum of days like those that were, each with what it differs from their mean.
    """
    days = [each for each in days if (each.day.year, each.day.month) == (now.year, now.month)]
    if len(days) < LEAST_OF_MONTH:
        return _unsaid("too few", LEAST_OF_MONTH, days)
    last = days[-1]
    begun = now.replace(day=1) - timedelta(days=1)
    mean = last.value / (last.day - begun).days
    before = [Day(begun, 0.0), *days]
    # Of steps over several days, each has had a share.
    differences = [
        ((b.value - a.value) - mean * (b.day - a.day).days) / math.sqrt((b.day - a.day).days)
        for a, b in pairwise(before)
    ]
    deviation = math.sqrt(sum(each * each for each in differences) / (len(differences) - 1))
    factor = student(len(differences) - 1) * deviation
    until = (now.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    ahead = []
    for day in _days(now, until):
        more = (day - last.day).days
        width = factor * math.sqrt(more + more * more / len(differences))
        middle = last.value + mean * more
        # What is spent is spent.
        ahead.append(Ahead(day, max(last.value, middle - width), middle, middle + width))
    return _judged(days, ahead, limit, LEAST_OF_MONTH, 30 * mean, False)


def _unsaid(verdict: Verdict, needed: int, days: Sequence[Day]) -> Forecast:
    return Forecast(verdict, needed, list(days), None, None, None, None, None, [])


def _line(days: Sequence[Day]) -> _Line:
    xs, ys = [float(each.day.toordinal()) for each in days], [each.value for each in days]
    count = len(days)
    mean = sum(xs) / count, sum(ys) / count
    spread = sum((x - mean[0]) ** 2 for x in xs)
    slope = sum((x - mean[0]) * (y - mean[1]) for x, y in zip(xs, ys, strict=True)) / spread
    left = [y - mean[1] - slope * (x - mean[0]) for x, y in zip(xs, ys, strict=True)]
    squares = sum(each * each for each in left)
    alike = sum(a * b for a, b in pairwise(left)) / squares if squares else 0.0
    # Of a short series it comes out too small.
    alike = min(max(alike + (1 + 4 * alike) / count, 0.0), 0.99)
    independent = max(count * (1 - alike) / (1 + alike), 3.0)
    return _Line(slope, mean, spread, math.sqrt(squares / (independent - 2)), independent)


def _judged(
    days: Sequence[Day], ahead: list[Ahead], limit: float | None, needed: int, per_month: float, falls: bool
) -> Forecast:
    met, earliest, latest = (_first(ahead, name, limit) for name in ("value", "high", "low"))
    verdict: Verdict
    if limit is None:
        verdict = "no limit"
    elif days[-1].value >= limit:
        verdict, met, earliest, latest = "reached", None, None, None
    elif met:
        verdict = "date"
    elif falls:
        verdict, earliest = "falling", None
    else:
        verdict = "possible" if earliest else "none"
    until = ahead[-1].day if ahead else days[-1].day
    return Forecast(verdict, needed, list(days), per_month, until, met, earliest, latest, _few(ahead))


def _first(ahead: Sequence[Ahead], name: str, limit: float | None) -> date | None:
    return next((each.day for each in ahead if limit is not None and getattr(each, name) >= limit), None)


def _days(now: date, until: date) -> list[date]:
    return [now + timedelta(days=number) for number in range(1, (until - now).days + 1)]


def _few(ahead: list[Ahead], most: int = 25) -> list[Ahead]:
    """So many of them, evenly, the first and the last too."""
    if len(ahead) <= most:
        return ahead
    return [ahead[round(number * (len(ahead) - 1) / (most - 1))] for number in range(most)]

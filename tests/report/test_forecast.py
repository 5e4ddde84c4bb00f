"""Forecasts of made series, whose truth is known."""

import math
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from ops.report import forecast
from ops.report.forecast import Day, Forecast

NOW = date(2026, 11, 30)
BASE, DEVIATION = 100.0, 5.0


def series(count: int, slope: float, seed: int, alike: float = 0.0) -> list[Day]:
    """Days until now of a straight line with noise; `alike` is how much of a day's is that of the day before."""
    drawn, noise, found = random.Random(seed), 0.0, []
    for number in range(count):
        noise = alike * noise + drawn.gauss(0, DEVIATION * math.sqrt(1 - alike**2))
        found.append(Day(NOW - timedelta(days=count - 1 - number), BASE + slope * number + noise))
    return found


@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_of_a_line_with_noise_nine_of_ten_intervals_contain_the_day(alike: float) -> None:
    count, slope = 60, 1.0
    met = NOW + timedelta(days=45)
    limit = BASE + slope * (count - 1 + 45)
    found = [forecast.of(series(count, slope, seed, alike), limit, NOW) for seed in range(100)]
    assert {each.verdict for each in found} == {"date"}
    within = [
        each for each in found if each.earliest and each.earliest <= met and (not each.latest or met <= each.latest)
    ]
    assert len(within) >= 90
    assert all(each.met and abs((each.met - met).days) < 25 for each in found)
    # It says something: no interval that holds everything.
    assert sum((each.latest - each.earliest).days for each in found if each.latest and each.earliest) / 100 < 60


def test_what_stays_or_falls_has_no_end_in_sight() -> None:
    flat = Counter(forecast.of(series(60, 0.0, seed), 250.0, NOW).verdict for seed in range(100))
    assert flat["date"] == flat["possible"] == 0
    assert flat["none"] > 85
    falling = forecast.of(series(60, -1.0, 1), 250.0, NOW)
    assert (falling.verdict, falling.met, falling.earliest) == ("falling", None, None)
    assert falling.per_month == pytest.approx(-30, rel=0.2)


def test_too_few_days_say_so_whatever_they_are() -> None:
    found = forecast.of(series(forecast.LEAST - 1, 50.0, 1), 1e6, NOW)
    assert found.verdict == "too few"
    assert (found.per_month, found.met, found.ahead) == (None, None, [])
    assert forecast.of(series(forecast.LEAST, 5.0, 1), 300.0, NOW).verdict == "date"
    assert forecast.of([], 1.0, NOW).verdict == "too few"


def test_what_is_over_its_limit_and_what_has_none() -> None:
    days = series(30, 1.0, 1)
    assert forecast.of(days, 50.0, NOW).verdict == "reached"
    without = forecast.of(days, None, NOW)
    assert (without.verdict, without.met) == ("no limit", None)
    assert without.per_month == pytest.approx(30, rel=0.3)


def test_it_looks_no_further_ahead_than_its_days_bear() -> None:
    # A line without any noise, which meets its limit in five years.
    days = [Day(each.day, BASE + number) for number, each in enumerate(series(30, 0.0, 1))]
    found = forecast.of(days, BASE + 29 + 5 * 365, NOW)
    assert (found.verdict, found.until) == ("none", NOW + timedelta(days=forecast.TIMES * 29))


def spent(days: int, seed: int, mean: float = 10.0) -> list[float]:
    drawn = random.Random(seed)
    sums, total = [], 0.0
    for _ in range(days):
        total += max(0.0, drawn.gauss(mean, 4))
        sums.append(total)
    return sums


def month(sums: list[float], limit: float) -> Forecast:
    days = [Day(date(2026, 11, 1) + timedelta(days=number), value) for number, value in enumerate(sums)]
    before = [Day(date(2026, 10, 31), 500.0)]
    return forecast.of_month(before + days, limit, days[-1].day)


def test_a_months_budget_is_forecast_from_this_month_alone() -> None:
    within = 0
    for seed in range(100):
        sums = spent(30, seed)
        found = month(sums[:12], 200.0)
        assert found.verdict == "date"
        assert found.until == date(2026, 11, 30)
        end = found.ahead[-1]
        within += end.low <= sums[-1] <= end.high
    assert within >= 80
    assert month(spent(12, 1), 1000.0).verdict == "none"
    assert month(spent(4, 1), 1000.0).verdict == "too few"
    assert month(spent(30, 1), 1000.0).verdict == "none"


def test_a_day_has_its_last_value_or_its_highest() -> None:
    at = datetime(2026, 11, 1, 23, tzinfo=UTC)
    samples = [(at, 1.0), (at - timedelta(hours=1), 5.0), (at + timedelta(hours=2), 3.0)]
    assert [each.value for each in forecast.daily(samples)] == [1.0, 3.0]
    assert [each.value for each in forecast.daily(samples, highest=True)] == [5.0, 3.0]

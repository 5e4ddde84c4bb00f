"""What the tests cost: seconds of CPU by tier, and the ten dearest. Wall time on a busy machine says little.

CPU is that of the worker and of the processes that it has waited for; servers that go on aren't in it.
"""

import resource
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

NAME = "cpu"
DEAREST = 10


def _seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    item.stash[BEGUN] = _seconds()
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    if call.when == "teardown":
        item.user_properties.append((NAME, _seconds() - item.stash[BEGUN]))
    yield


BEGUN = pytest.StashKey[float]()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Of a run of many tests alone: a single one is timed from outside."""
    found = {
        report.nodeid: dict(report.user_properties)[NAME]
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown" and NAME in dict(report.user_properties)
    }
    if len(found) < 100:
        return
    tiers: Counter[str] = Counter()
    items: Counter[str] = Counter()
    for test, seconds in found.items():
        tier = test.split("::")[0].split("/")[1]
        tiers[tier] += seconds  # type: ignore[assignment]
        items[tier] += 1
    terminalreporter.section("CPU seconds")
    for tier, seconds in tiers.most_common():
        terminalreporter.line(f"{seconds:8.0f} s  {items[tier]:5} tests  {tier}")
    for test, seconds in Counter(found).most_common(DEAREST):
        terminalreporter.line(f"{seconds:8.1f} s  {test}")

"""When housekeeping runs: what a stack's file may say, and the jobs that come of it."""

import re

import pytest

from declared.buckets import SettingError
from declared.maintenance import INDEXES, INDEXES_TITLE, TASKS, jobs, maintenance
from declared.paths import CHECKOUT


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "setting database:maintenance is []; allowed is a map such as {by: pg_cron"),
        (
            {"when": "02:00"},
            "setting database:maintenance.when is '02:00'; allowed is no such key; there are by, at and",
        ),
        ({"by": "cron"}, "setting database:maintenance.by is 'cron'; allowed is outside or pg_cron"),
        ({"at": 120}, "setting database:maintenance.at is 120; allowed is a time of the day in UTC, in quotes"),
        ({"at": "24:00"}, "setting database:maintenance.at is '24:00'"),
        (
            {"window": True},
            "setting database:maintenance.window is True; allowed is a number of minutes from 24 to 720",
        ),
        ({"window": 10}, "setting database:maintenance.window is 10"),
    ],
)
def test_what_cannot_be_used_is_named(value: object, said: str) -> None:
    with pytest.raises(SettingError) as caught:
        maintenance(value)
    assert str(caught.value).startswith(said)


def test_jobs_come_one_after_the_other_past_midnight_too_and_end_with_the_window() -> None:
    found = jobs(maintenance({"by": "pg_cron", "at": "23:55", "window": 30}), 6, 36)
    assert found["vpb_partitions"] == ("55 23 * * *", "call ops.run_task('partitions', '6 months', '36 months')")
    assert found["vpb_calls"][0] == "1 0 * * *"
    assert list(found.items())[-1] == ("vpb_window_end", ("25 0 * * *", "select ops.stop_tasks()"))


def test_the_page_names_each_task_and_what_it_does() -> None:
    page = (CHECKOUT / "docs/maintenance.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.*?)(?: \(\[.*|:.*|) \|$", page, re.MULTILINE))
    assert {name: rows.get(name) for name in (*TASKS, INDEXES)} == {**TASKS, INDEXES: INDEXES_TITLE}

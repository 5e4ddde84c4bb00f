"""The setting of backups: what it is taken for, and what is refused in one line."""

from typing import Any

import pytest

from tests.components.test_storage import BACKUPS, RECIPIENT
from tests.declared.test_settings import load, refused


def test_retention_is_in_days_of_each_class_whose_prefix_it_is():
    found = load(backups=BACKUPS).backups
    assert found
    assert found.retention == {"daily": 7, "weekly": 35, "monthly": 372}
    assert (found.recovery_point, found.recovery_time, found.lock_days) == (24, 4, 7)
    assert found.recipients == (RECIPIENT,)
    days = load(backups={**BACKUPS, "retention": {"days": 30}}).backups
    assert days
    assert days.retention == {"daily": 30}
    assert load(backups={}).backups is None
    assert days.schedule == (0, 5)
    more = load(backups={**BACKUPS, "schedule": "30 6 * * *", "secondRegion": "eu-west-1"}).backups
    assert more
    assert (days.drill_within, load(backups={**BACKUPS, "drillWithin": 30}).backups.drill_within) == (8, 30)
    assert (more.schedule, more.second_region) == ((30, 6), "eu-west-1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"retention": {}}, "backups.retention is {}; allowed is a map of daily, weekly and monthly"),
        ({"retention": {"days": 3, "daily": 4}}, "or one of days"),
        (
            {"retention": {"daily": 0}},
            "backups.retention.daily is 0; allowed is a whole number of daily backups from 1",
        ),
        ({"retention": {"yearly": 1}}, "a map of daily, weekly and monthly"),
        ({"recoveryPoint": 169}, "backups.recoveryPoint is 169; allowed is a whole number of hours from 1 to 168"),
        ({"recoveryTime": True}, "backups.recoveryTime is True; allowed is a whole number of hours from 1 to 168"),
        ({"lockDays": 0}, "backups.lockDays is 0; allowed is a whole number of days from 1 to 3650"),
        ({"lockDays": 8}, "backups.lockDays is 8; allowed is at most the shortest retention, 7 days"),
        ({"recipients": []}, "a list of 1 to 10 different public keys of age"),
        ({"recipients": [RECIPIENT, RECIPIENT]}, "different public keys of age"),
        ({"recipients": ["AGE-SECRET-KEY-1" + "Q" * 58]}, "different public keys of age"),
        ({"often": 1}, "backups.often is 1; allowed is no such key; there are retention, recoveryPoint"),
        ({"schedule": "0 3 * * 1"}, "allowed is minute and hour of each day as cron writes them, in UTC"),
        ({"schedule": "60 3 * * *"}, "backups.schedule is '60 3 * * *'"),
        ({"drillWithin": 0}, "backups.drillWithin is 0; allowed is a whole number of days from 1 to 366"),
        ({"secondRegion": "cn-north-1"}, "backups.secondRegion is 'cn-north-1'; allowed is an AWS region such as"),
    ],
)
def test_what_can_not_be_used_is_refused(change: dict[str, Any], said: str):
    assert said in refused(backups={**BACKUPS, **change})


@pytest.mark.parametrize("value", ["daily", [], {"retention": {"days": 1}}])
def test_half_a_promise_is_none(value: Any):
    assert refused(backups=value).startswith("setting database:backups")

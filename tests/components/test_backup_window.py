"""A server that is to keep fewer days of backups loses the others at once, so it is asked for."""

from datetime import UTC, datetime, timedelta

import pulumi
import pytest

from components.dataguard import WINDOW, DataGuard
from declared.paths import CHECKOUT
from declared.permissions import Permission

NAME = "server-rds-instance"


def asked(was: int, wanted: int | None, keep: bool = True, *given: Permission) -> None:
    guard = DataGuard.__new__(DataGuard)
    guard._keep, guard._given = keep, {each.what: each for each in given}
    new = {} if wanted is None else {WINDOW: float(wanted)}
    about = pulumi.ResourceHookArgs("urn", "id", NAME, "aws:rds/instance:Instance", new, {WINDOW: float(was)})
    guard._ask_of_window(about)


def permitted(what: str, days: int) -> Permission:
    return Permission(what, "ticket 12", datetime.now(UTC).date() + timedelta(days=days))


def test_fewer_days_are_refused_until_they_are_allowed():
    with pytest.raises(
        pulumi.RunError, match="would keep 3 days of backups and not 14, and what is older goes at once"
    ):
        asked(14, 3)
    with pytest.raises(pulumi.RunError):
        asked(14, 3, True, permitted(NAME, 5))
    with pytest.raises(pulumi.RunError):
        asked(14, 3, True, permitted(f"{NAME} backupDays", -1))
    asked(14, 3, True, permitted(f"{NAME} backupDays", 5))
    asked(14, 3, False)


def test_as_many_or_more_are_not():
    asked(14, 14)
    asked(14, 35)
    asked(14, None)


def test_a_destroy_asks_the_plugin_for_nothing():
    """After a first `up` that failed early the state has no plugin to ask, and the program would fail."""
    for path in (CHECKOUT / "components").glob("*.py"):
        assert "get_caller_identity" not in path.read_text(), path.name

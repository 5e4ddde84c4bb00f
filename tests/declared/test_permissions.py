"""What may be done once is named, with a reason and a last day."""

from datetime import timedelta

import pytest

from declared import permissions
from declared.buckets import SettingError
from declared.permissions import MOST_DAYS, today

SOON = f"{today() + timedelta(days=7):%Y-%m-%d}"
ONE = {"what": "0007_projects", "reason": "never used", "until": SOON}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0007_projects", "allowed is a list of maps of what"),
        (["0007_projects"], "database:allow[0] is '0007_projects'; allowed is a list of maps"),
        ([{"what": "0007_projects"}], "allowed is a list of maps of what"),
        ([{**ONE, "who": "me"}], "allowed is a list of maps of what"),
        ([{**ONE, "what": "a b c"}], "database:allow[0].what is 'a b c'"),
        ([{**ONE, "reason": " "}], "database:allow[0].reason is ' '; allowed is some words that say why"),
        ([{**ONE, "until": "soon"}], "database:allow[0].until is 'soon'; allowed is a date such as "),
        ([{**ONE, "until": "2026-13-01"}], "database:allow[0].until is '2026-13-01'"),
        ([{**ONE, "until": f"{today() + timedelta(days=MOST_DAYS + 1):%Y-%m-%d}"}], "and not after"),
        ([ONE, ONE], "allowed is one entry for each what"),
    ],
)
def test_what_is_no_permission_is_refused_with_its_place(value, said):
    with pytest.raises(SettingError) as caught:
        permissions.permissions(value)
    assert said in str(caught.value)


def test_a_permission_is_good_to_the_end_of_its_day_and_each_reader_gets_its_own():
    before = f"{today() - timedelta(days=1):%Y-%m-%d}"
    given = permissions.permissions(
        [
            {**ONE, "until": f"{today():%Y-%m-%d} 00:00:00 +0000 UTC"},
            {**ONE, "what": "0006_old", "until": before},
            {**ONE, "what": "audio public"},
            {**ONE, "what": "structure-analytics"},
            {**ONE, "what": "adopted-schema-My Schema"},
        ]
    )
    assert [each.expired for each in given] == [False, True, False, False, False]
    assert permissions.steps(given) == ("0007_projects",)
    assert permissions.bucket_changes(given) == ("audio public",)

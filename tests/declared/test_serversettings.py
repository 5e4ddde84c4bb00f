"""The settings of a server that the program makes: their defaults, and what is refused in one line."""

import pytest

from declared.serversettings import SETTINGS, ServerSettingError, ServerSettings


def refused(**given: str) -> str:
    with pytest.raises(ServerSettingError) as caught:
        ServerSettings.load(given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_key_has_a_default_that_is_allowed_and_a_meaning():
    assert ServerSettings.load({}) == ServerSettings.load({key: each.default for key, each in SETTINGS.items()})
    assert all(each.allowed and each.meaning for each in SETTINGS.values())


REFUSED = {
    "class": ("db", "m7g.large", "db.M7g.large", "db.m7g", "db.m7g.large; drop"),
    "storage": ("19", "65537", "1e3", "-20", "", "20.5"),
    "multiAz": ("yes", "True", "1", ""),
    "applyImmediately": ("now",),
    "backupDays": ("0", "36"),
    "backupWindow": ("02:00", "02:00-02:20", "24:00-01:00", "sun:02:00-sun:03:00", "2:00-3:00", "02:00-02:00"),
    "maintenanceWindow": (
        "03:00-04:00",
        "sun:03:00",
        "sun:03:00-mon:09:00",
        "day:03:00-day:04:00",
        "sun:3:00-sun:4:00",
    ),
    "network": ("8.8.8.0/20", "10.0.0.0/8", "10.0.0.0/28", "10.0.0.1/20", "fd00::/64", "x"),
    "zones": ("a", '["a"]', '["a", "a"]', '["a", "b", "c", "d"]', '["us-east-1a", "b"]', '["a", 1]', "{}"),
    "interfaceEndpoints": ('["S3"]', '["ssm", "ssm"]', "ssm"),
    "rootCertificate": ("bundle.pem", ""),
    "endpoint": ("localhost", "h:0", "h:65536", "u@h:1", "h:1/x"),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in REFUSED.items() for value in values])
def test_a_value_that_cannot_be_used_is_one_line_with_what_is_allowed(key, value):
    assert refused(**{key: value}) == f"setting server:{key} is {value!r}; allowed is {SETTINGS[key].allowed}"


def test_a_key_that_nobody_reads_is_named_with_those_that_there_are():
    said = refused(clas="db.m7g.large")
    assert said.startswith("setting server:clas is 'db.m7g.large'; allowed is nothing: there is no such key; there are")
    assert "class, storage" in said


def test_storage_grows_by_a_tenth_at_least():
    assert refused(storage="950") == "setting server:maxStorage is 1000; allowed is 1045 and more where storage is 950"
    assert ServerSettings.load({"storage": "950", "maxStorage": "1045"}).max_storage == 1045


@pytest.mark.parametrize(
    ("daily", "weekly", "meet"),
    [
        ("02:00-03:00", "sun:03:00-sun:04:00", False),
        ("02:00-03:00", "wed:02:59-wed:04:00", True),
        ("23:30-00:30", "sun:00:00-sun:01:00", True),
        ("23:30-00:30", "sun:00:30-sun:01:30", False),
        ("23:30-00:30", "sat:23:00-sun:00:10", True),
        ("00:10-01:00", "sat:23:30-sun:00:30", True),
    ],
)
def test_backups_and_maintenance_do_not_overlap(daily, weekly, meet):
    given = {"backupWindow": daily, "maintenanceWindow": weekly}
    if meet:
        assert refused(**given).endswith(f"a window that doesn't overlap server:backupWindow, {daily}")
    else:
        assert ServerSettings.load(given).maintenance_window == weekly

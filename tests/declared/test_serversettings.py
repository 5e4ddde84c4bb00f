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
    "engine": ("aurora-postgresql", "mysql", ""),
    "readers": ("16", "-1", "all"),
    "minCapacity": ("0", "0.3", "256.5", "1.50", "01"),
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
    "interfaceEndpoints": ('["S3"]', '["ssm", "s3"]', '["ssm", "ssm"]', "ssm"),
    "proxy": ("yes",),
    "reach": ("ssh", ""),
    "bastion": ("bastion", "i-12", "ecs:cluster", "i-0123456789abcdef0; ls"),
    "localPort": ("65536", "-1"),
    "rootCertificate": ("bundle.pem", ""),
    "endpoint": ("localhost", "h:0", "h:65536", "u@h:1", "h:1/x"),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in REFUSED.items() for value in values])
def test_a_value_that_cannot_be_used_is_one_line_with_what_is_allowed(key, value):
    assert refused(**{key: value}) == f"setting server:{key} is {value!r}; allowed is {SETTINGS[key].allowed}"


@pytest.mark.parametrize(
    ("window", "time", "begins"),
    [
        ("sun:03:30-sun:04:30", "02:29", True),
        ("sun:03:30-sun:04:30", "02:30", False),
        ("sun:03:30-sun:04:30", "04:29", False),
        ("sun:03:30-sun:04:30", "04:30", True),
        ("sun:00:10-sun:01:00", "23:10", False),
        ("sun:00:10-sun:01:00", "23:09", True),
        ("sat:23:30-sun:00:30", "00:29", False),
    ],
)
def test_aws_backup_begins_nothing_while_rds_may_restart_the_server_and_an_hour_before(window, time, begins):
    minute = int(time[:2]) * 60 + int(time[3:])
    assert ServerSettings.load({"maintenanceWindow": window}).backs_up_at(minute) is begins
    assert ServerSettings.load({"maintenanceWindow": window, "engine": "aurora"}).backs_up_at(minute)


def test_a_key_that_nobody_reads_is_named_with_those_that_there_are():
    said = refused(clas="db.m7g.large")
    assert said.startswith("setting server:clas is 'db.m7g.large'; allowed is nothing: there is no such key; there are")
    assert "engine, class" in said


def test_storage_grows_by_a_tenth_at_least():
    assert refused(storage="950") == "setting server:maxStorage is 1000; allowed is 1045 and more where storage is 950"
    assert ServerSettings.load({"storage": "950", "maxStorage": "1045"}).max_storage == 1045


def test_aurora_is_as_large_as_its_load_unless_a_class_says_otherwise():
    found = ServerSettings.load({"engine": "aurora"})
    assert (found.serverless, found.min_capacity, found.max_capacity) == (True, 2, 16)
    found = ServerSettings.load({"engine": "aurora", "class": "db.r7g.large", "readers": "3"})
    assert (found.serverless, found.servers) == (False, 4)


@pytest.mark.parametrize(("readers", "standby", "servers"), [("0", "true", 2), ("0", "false", 1), ("2", "true", 3)])
def test_the_standby_of_aurora_is_its_first_reader(readers, standby, servers):
    assert ServerSettings.load({"engine": "aurora", "readers": readers, "multiAz": standby}).servers == servers


@pytest.mark.parametrize(
    ("given", "key", "allowed"),
    [
        ({"readers": "1"}, "readers", "0 where server:engine is postgres: RDS makes no reader of a server whose"),
        ({"class": "db.serverless"}, "class", "one such as db.m7g.large where server:engine is postgres"),
        ({"minCapacity": "1"}, "minCapacity", "nothing where server:class is db.m7g.large"),
        ({"engine": "aurora", "storage": "200"}, "storage", "nothing where server:engine is aurora, whose storage"),
        ({"engine": "aurora", "class": "db.m7g.large"}, "class", "db.serverless, or a class of r, t or x"),
        ({"reach": "tunnel"}, "bastion", "the id of an instance, such as i-0123456789abcdef0, or ecs:"),
        ({"bastion": "i-0123456789abcdef0"}, "bastion", "nothing where server:reach is direct"),
        ({"engine": "aurora", "minCapacity": "8", "maxCapacity": "4"}, "maxCapacity", "a number from 1 to 256 in"),
        ({"engine": "aurora", "minCapacity": "0.5", "maxCapacity": "0.5"}, "maxCapacity", "a number from 1 to 256 in"),
    ],
)
def test_what_the_engine_has_not_is_refused(given, key, allowed):
    said = refused(**given)
    assert said.startswith(f"setting server:{key} is ")
    assert f"; allowed is {allowed}" in said


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

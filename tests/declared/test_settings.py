"""The settings: what is declared, and what is refused in one line that names key, value and what is allowed."""

import json
import secrets
from dataclasses import replace
from typing import Any

import pytest
import yaml

from declared.paths import CHECKOUT
from declared.permissions import today
from declared.settings import BucketSettings, SettingError, Settings
from run import engine

DECLARED = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())["config"]


def plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def load(secret: tuple[str, ...] = (), **changes: Any) -> Settings:
    """The settings of a stack that changes some defaults; the engine hands on defaults as it does values."""
    values = {name: plain(entry["default"]) for name, entry in DECLARED.items()}
    values |= {name: plain(value) for name, value in changes.items()}
    return Settings.load(values, secret)


def refused(secret: tuple[str, ...] = (), **changes: Any) -> str:
    with pytest.raises(SettingError) as caught:
        load(secret, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def bucket(**more: Any) -> list[dict[str, Any]]:
    return [{"id": "audio", **more}]


def project(**more: Any) -> dict[str, Any]:
    return {"project": {"reference": "abcdefghijklmnopqrst", **more}}


def test_a_hosted_project_is_what_is_declared_of_it():
    assert load().project is None
    assert load(**project()).project.declared == {"reference": "abcdefghijklmnopqrst"}
    whole = {"networks": ["0.0.0.0/0", "::/0"], "ssl": False, "poolSize": 3000, "poolMode": "session"}
    found = load(**project(**whole)).project.declared
    assert found == {"reference": "abcdefghijklmnopqrst", **whole, "networks": ("0.0.0.0/0", "::/0")}


def test_the_keys_are_those_that_pulumi_yaml_declares_each_with_its_meaning():
    assert Settings.keys() == list(DECLARED)
    for name, entry in DECLARED.items():
        assert {"type", "default", "description"} <= entry.keys(), f"{name} says type, default and meaning"


@pytest.mark.parametrize("key", ["retentionMonths", "auditRetentionMonths"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "13 months", "1000"])
def test_retention_is_a_whole_number_of_months(key, value):
    assert refused(**{key: value}) == (
        f"setting database:{key} is {value!r}; allowed is a whole number of months from 1 to 999"
    )
    assert load(**{key: 7}).retention_months == (7 if key == "retentionMonths" else 13)


@pytest.mark.parametrize("value", [["analytics.user_activity"], ["audit"], ["audit.log;"], "audit.log", {}])
def test_months_are_archived_of_tables_alone_whose_rows_outlive_their_person(value):
    assert refused(archivedTables=value).endswith(
        "allowed is a list of audit.log, analytics.api_usage and analytics.performance_metrics, or of some of them"
    )
    assert load(archivedTables=["audit.log"]).archived_tables == ("audit.log",)


@pytest.mark.parametrize(
    ("key", "least", "most"),
    [
        ("invitationDays", 1, 365),
        ("invitationsPerDay", 1, 100_000),
        ("projectsPerPerson", 1, 1_000_000),
        ("projectMegabytes", 16, 1024),
        ("generationsWaiting", 1, 10_000),
    ],
)
def test_limits_are_whole_numbers(key, least, most):
    for value in (str(least - 1), "-1", "1.5", "", str(most + 1)):
        assert refused(**{key: value}) == (
            f"setting database:{key} is {value!r}; allowed is a whole number from {least} to {most}"
        )
    assert json.loads(load(**{key: most}).stored[key]) == most


def test_generations_are_kept_for_so_many_days_or_for_ever():
    for value in ("-1", "1.5", "", "36501", "01"):
        said = f"setting database:generationDays is {value!r}; allowed is a whole number from 0 to 36500"
        assert refused(generationDays=value) == said
    assert [load(generationDays=value).stored["generationDays"] for value in (0, 36500)] == ["0", "36500"]


@pytest.mark.parametrize("value", ["google", ["google", "google"], [1], ["with space"]])
def test_verifying_providers_are_a_list_of_different_names(value):
    assert "a list of different providers as the app names them" in refused(verifyingProviders=value)
    assert load(verifyingProviders=[]).stored["verifyingProviders"] == "[]"


@pytest.mark.parametrize("value", ["yes", "True", "1"])
def test_protection_is_true_or_false_and_nothing_that_looks_like_it(value):
    assert refused(protectData=value).endswith("; allowed is true or false")


def test_protection_and_its_exceptions_reach_the_settings():
    allowed = {"reason": "never used", "until": f"{today():%Y-%m-%d}"}
    found = load(protectData="true", allow=[{"what": what, **allowed} for what in ("0007_projects", "audio public")])
    assert (found.protect_data, found.protection(False)["allow_loss"]) == (True, ("0007_projects",))
    assert found.accepted(keep=True)["allow_bucket_changes"] == ("audio public",)
    assert found.protected(disposable=True)


def test_what_destroys_data_waits_for_a_drill_where_data_is_kept():
    for_today = {"reason": "never used", "until": f"{today():%Y-%m-%d}"}
    lost = ("0007_projects", "audio retentionDays 7", "snapshot-objects")
    kept = ("audio public", "audio access people", "unpromoted")
    found = load(allow=[{"what": what, **for_today} for what in (*lost, *kept)])
    assert found.accepted(keep=True)["destructive"] == lost
    assert found.accepted(keep=False)["destructive"] == ()
    assert found.accepted(keep=True)["drill_within"] is None
    over = load(allow=[{"what": "0007_projects", "reason": "never used", "until": "2020-01-01"}])
    assert over.accepted(keep=True)["destructive"] == ()


def test_data_is_protected_everywhere_but_where_it_may_go():
    assert [load().protected(disposable) for disposable in (True, False)] == [False, True]
    assert not load(protectData="false").protected(disposable=False)


@pytest.mark.parametrize(
    "value", ["two", 1, [], [0], [-1], [1.0], ["1"], [True], [2, 2], [3, 1], [3, 2, 1], [1_000_000], {"1": 2}]
)
def test_open_passwords_are_a_number_or_two_neighbours(value):
    said = refused(passwords=value)
    assert said.startswith("setting database:passwords is ")
    assert said.endswith("or two neighbours such as [2, 1] while both are open; the first is in the outputs")


def test_open_passwords_keep_their_order_and_may_be_the_text_of_a_list():
    assert load().passwords == (1,)
    assert [load(passwords=value).passwords for value in ([2, 1], [1, 2], "[3, 2]", [7])] == [
        *((2, 1), (1, 2), (3, 2), (7,))
    ]


@pytest.mark.parametrize(
    "value", ["k1", [], ["k1", "k1"], ["K1"], ["k-1"], [""], [1], ["k" * 33], ["a", "b", "c", "d", "e"], {"k1": "x"}]
)
def test_the_keys_are_a_short_list_of_different_names(value):
    said = refused(encryptionKeys=value)
    assert said.startswith("setting database:encryptionKeys is ")
    assert said.endswith("a-z, 0-9 and _, such as [k2, k1]; the first one seals")


def test_the_keys_keep_their_order():
    assert load(encryptionKeys=["k2", "k1"]).encryption_keys == ("k2", "k1")


def budget(**more: Any) -> list[dict[str, Any]]:
    """Budgets of which that of costs has other parts."""
    return [
        {"of": "tokens", "soft": 1, "hard": 2, "reserve": 1},
        {"of": "cost", "soft": 1, "hard": 2.5, "reserve": 0.1} | more,
    ]


def test_budgets_reach_the_database_as_decimals_and_in_any_order():
    found = load(budgets=budget(reserve=0.0000002)[::-1], reservationMinutes=7).stored
    assert json.loads(found["budgets"]) == {
        "tokens": {"soft": "1", "hard": "2", "reserve": "1"},
        "cost": {"soft": "1", "hard": "2.5", "reserve": "0.0000002"},
    }
    assert found["reservationMinutes"] == "7"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            {"tokens": 5},
            "; allowed is a list of two maps with of, soft, hard and reserve, one of tokens and one of cost",
        ),
        (
            budget()[:1],
            "; allowed is a list of two maps with of, soft, hard and reserve, one of tokens and one of cost",
        ),
        (budget(of="tokens"), "; allowed is a list of two maps"),
        (budget(warn=1), "budgets[1].warn is 1; allowed is no such key; there are of, soft, hard, reserve"),
        (budget(hard=None), "budgets[1].hard is None; allowed is a number of US dollars from 0 to 99999999"),
        (budget(hard="50"), "budgets[1].hard is '50'; allowed is a number of US dollars"),
        (budget(hard=True), "budgets[1].hard is True; allowed is a number of US dollars"),
        (budget(hard=float("nan")), "budgets[1].hard is nan; allowed is a number of US dollars"),
        (budget(hard=float("inf")), "budgets[1].hard is inf; allowed is a number of US dollars"),
        (budget(soft=-1), "budgets[1].soft is -1; allowed is a number of US dollars"),
        (budget(soft=3), "budgets[1].soft is 3; allowed is at most hard, 2.5"),
        (budget(reserve=3), "budgets[1].reserve is 3; allowed is at most hard, 2.5"),
        (
            budget(of="tokens")[1:] + budget(of="cost")[1:],
            "budgets[0].hard is 2.5; allowed is a whole number of tokens",
        ),
    ],
)
def test_a_budget_that_cannot_be_held_is_refused_with_its_part(value, said):
    assert said in refused(budgets=value)


@pytest.mark.parametrize("value", ["0", "1441", "half an hour", "1.5"])
def test_a_reservation_lasts_whole_minutes_and_at_most_a_day(value):
    assert refused(reservationMinutes=value).endswith(f"is {value!r}; allowed is a whole number from 1 to 1440")


def test_the_defaults_are_valid():
    found = load()
    assert (found.protect_data, found.allow) == (None, ())
    assert (found.target, found.url, found.lock_timeout, found.region) == ("local", None, "5s", "us-east-1")
    audio, exports, avatars = found.buckets
    assert [bucket.id for bucket in found.buckets] == ["audio", "exports", "avatars"]
    assert [bucket.public for bucket in found.buckets] == [False, False, True]
    assert [bucket.cdn for bucket in found.buckets] == [True, False, True]
    assert (exports.retention_days, audio.retention_days) == (7, None)
    assert avatars.file_size_limit == 2_000_000
    assert (found.max_object_size, found.cors_origins, found.cdn_keys) == (50_000_000, (), ("1",))
    assert (found.scanning, found.alarm_emails) == ("clamav", ())
    assert [bucket.access for bucket in found.buckets] == ["projects", "inbox", "people"]
    assert audio.exported == {
        "access": "projects",
        "public": False,
        "file_size_limit": 50_000_000,
        "allowed_mime_types": [
            *("audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/webm"),
            *("audio/mp3", "audio/x-m4a", "audio/x-wav"),
        ],
        "cdn": True,
    }


def test_an_unknown_key_is_refused_with_the_one_that_is_meant_or_all():
    assert refused(lockTimeOut="5s") == (
        "setting database:lockTimeOut is '5s'; allowed is no such key; perhaps lockTimeout is meant"
    )
    assert refused(colour="red") == (
        "setting database:colour is 'red'; allowed is no such key; there are " + ", ".join(DECLARED)
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a target that there isn't": ({"target": "azure"}, "target is 'azure'; allowed is one of local, supabase, aws"),
    "a budget without a unit": (
        {"lockBudget": "1"},
        "lockBudget is '1'; allowed is a time such as 500ms, 5s or 1min",
    ),
    "a time without a unit": ({"lockTimeout": "5"}, "lockTimeout is '5'; allowed is a time such as 500ms, 5s or 1min"),
    "no time at all": ({"lockTimeout": ""}, "lockTimeout is ''; allowed is a time"),
    "a time longer than PostgreSQL's": (
        {"lockTimeout": "9999999min"},
        "allowed is a time such as 500ms, 5s or 1min, at",
    ),
    "one minute longer": ({"lockTimeout": "35792min"}, "lockTimeout is '35792min'; allowed is a time"),
    "SQL in a time": ({"lockTimeout": "5s'; drop"}, 'lockTimeout is "5s\'; drop"; allowed is a time'),
    "a region of China": (
        {"region": "cn-north-1"},
        "region is 'cn-north-1'; allowed is an AWS region such as us-east-1",
    ),
    "a region of GovCloud": ({"region": "us-gov-west-1"}, "and not one of China, GovCloud or another partition"),
    "an isolated region": ({"region": "us-isob-east-1"}, "and not one of China, GovCloud or another partition"),
    "a region of the sovereign cloud": ({"region": "eusc-de-east-1"}, "GovCloud or another partition"),
    "a bad region": ({"region": "Frankfurt"}, "region is 'Frankfurt'; allowed is an AWS region such as us-east-1"),
    "buckets that are text": ({"buckets": "audio"}, "buckets is 'audio'; allowed is a list of maps"),
    "buckets that are a map": ({"buckets": {"id": "audio"}}, "buckets is {'id': 'audio'}; allowed is a list of maps"),
    "a bucket that is text": ({"buckets": ["audio"]}, "buckets[0] is 'audio'; allowed is a map with absent, access"),
    "a bucket's unknown key": ({"buckets": bucket(size=1)}, "buckets[0].size is 1; allowed is no such key; there are"),
    "a bucket without id": ({"buckets": [{}]}, "buckets[0].id is None; allowed is a-z, 0-9"),
    "an id with a quote": ({"buckets": [{"id": "au'dio"}]}, 'buckets[0].id is "au\'dio"; allowed is a-z, 0-9'),
    "an id with a double quote": ({"buckets": [{"id": 'a"b'}]}, "buckets[0].id is 'a\"b'; allowed is a-z, 0-9"),
    "an id in capitals": ({"buckets": [{"id": "Audio"}]}, "buckets[0].id is 'Audio'; allowed is a-z, 0-9"),
    "an id with a line break": ({"buckets": [{"id": "audio\n"}]}, "buckets[0].id is 'audio\\n'; allowed is a-z"),
    "an id that is too long": ({"buckets": [{"id": "a" * 101}]}, "allowed is a-z, 0-9, _ . and -, up to 100"),
    "an access that is none": ({"buckets": bucket(access="everybody")}, "allowed is one of people, inbox, projects"),
    "two of one id": ({"buckets": bucket() + bucket()}, "buckets is 'audio'; allowed is one bucket of each id"),
    "public as text": ({"buckets": bucket(public="yes")}, "buckets[0].public is 'yes'; allowed is true or false"),
    "public as a number": ({"buckets": bucket(public=1)}, "buckets[0].public is 1; allowed is true or false"),
    "megabytes": ({"buckets": bucket(fileSizeLimit="50MB")}, "buckets[0].fileSizeLimit is '50MB'; allowed is"),
    "bytes as text": ({"buckets": bucket(fileSizeLimit="50")}, "buckets[0].fileSizeLimit is '50'; allowed is a whole"),
    "half a byte": ({"buckets": bucket(fileSizeLimit=1.5)}, "buckets[0].fileSizeLimit is 1.5; allowed is a whole"),
    "no bytes": ({"buckets": bucket(fileSizeLimit=0)}, "buckets[0].fileSizeLimit is 0; allowed is a whole number"),
    "more than S3 holds": ({"buckets": bucket(fileSizeLimit=10**13)}, "allowed is a whole number of bytes from 1 to"),
    "true as a size": ({"buckets": bucket(fileSizeLimit=True)}, "buckets[0].fileSizeLimit is True; allowed is a whole"),
    "MIME types as text": (
        {"buckets": bucket(allowedMimeTypes="audio/*")},
        "allowedMimeTypes is 'audio/*'; allowed is",
    ),
    "a misspelled family": ({"buckets": bucket(allowedMimeTypes=["audoi/mpeg"])}, "allowedMimeTypes is 'audoi/mpeg';"),
    "a MIME type in capitals": ({"buckets": bucket(allowedMimeTypes=["Audio/mpeg"])}, "is 'Audio/mpeg'; allowed is"),
    "half a MIME type": ({"buckets": bucket(allowedMimeTypes=["audio"])}, "allowedMimeTypes is 'audio'; allowed is"),
    "every MIME type": ({"buckets": bucket(allowedMimeTypes=["*/*"])}, "allowedMimeTypes is '*/*'; allowed is"),
    "a parameter": ({"buckets": bucket(allowedMimeTypes=["audio/ogg;codecs=opus"])}, "is 'audio/ogg;codecs=opus'; all"),
    "a number": ({"buckets": bucket(allowedMimeTypes=[1])}, "buckets[0].allowedMimeTypes is 1; allowed is"),
    "no days": ({"buckets": bucket(retentionDays=0)}, "buckets[0].retentionDays is 0; allowed is 1 to 3650 days"),
    "days as text": ({"buckets": bucket(retentionDays="7")}, "buckets[0].retentionDays is '7'; allowed is 1 to 3650"),
    "true as days": ({"buckets": bucket(retentionDays=True)}, "buckets[0].retentionDays is True; allowed is 1 to"),
    "a CDN as text": ({"buckets": bucket(cdn="yes")}, "buckets[0].cdn is 'yes'; allowed is true or false"),
    "a limit above the largest": (
        {"buckets": bucket(fileSizeLimit=60_000_000)},
        "buckets[0].fileSizeLimit is 60000000; allowed is at most database:maxObjectSize, 50000000; lower this one or",
    ),
    "a default above the largest": (
        {"maxObjectSize": 1_000_000, "buckets": [{"id": "sketches"}]},
        "buckets.audio.fileSizeLimit is 50000000; allowed is at most database:maxObjectSize, 1000000; lower this one",
    ),
    "absent as text": ({"buckets": bucket(absent="yes")}, "buckets[0].absent is 'yes'; allowed is true or false"),
    "one absent that never was": (
        {"buckets": [{"id": "sketches", "absent": True}]},
        "buckets[0].absent is True; allowed is one of the defaults only: audio, exports, avatars",
    ),
    "megabytes as the largest": ({"maxObjectSize": "50MB"}, "maxObjectSize is '50MB'; allowed is a whole number of"),
    "nothing as the largest": ({"maxObjectSize": 0}, "maxObjectSize is 0; allowed is a whole number of bytes from 1"),
    "no largest at all": ({"maxObjectSize": ""}, "maxObjectSize is ''; allowed is a whole number of bytes from 1"),
    "every origin": ({"corsOrigins": ["*"]}, "corsOrigins is ['*']; allowed is a list of origins such as https://"),
    "an origin with a path": (
        {"corsOrigins": ["https://a.example/x"]},
        "is ['https://a.example/x']; allowed is a list",
    ),
    "an origin without TLS": ({"corsOrigins": ["http://a.example"]}, "http for localhost only"),
    "an origin as text": (
        {"corsOrigins": "https://a.example"},
        "corsOrigins is 'https://a.example'; allowed is a list",
    ),
    "no CDN key": ({"cdnKeys": []}, "cdnKeys is []; allowed is a list of 1 to 5 different names of a-z, 0-9 and -"),
    "six CDN keys": ({"cdnKeys": list("123456")}, "allowed is a list of 1 to 5 different names"),
    "one CDN key twice": ({"cdnKeys": ["a", "a"]}, "cdnKeys is ['a', 'a']; allowed is a list of 1 to 5 different"),
    "a CDN key in capitals": ({"cdnKeys": ["A"]}, "cdnKeys is ['A']; allowed is a list of 1 to 5 different names"),
    "an unknown scanner": ({"scanning": "eyes"}, "scanning is 'eyes'; allowed is one of clamav, guardduty"),
    "an address as text": (
        {"alarmEmails": "a@example.org"},
        "alarmEmails is 'a@example.org'; allowed is a list of diffe",
    ),
    "no address": ({"alarmEmails": ["ops"]}, "alarmEmails is ['ops']; allowed is a list of different e-mail addresses"),
    "an address with a name": (
        {"alarmEmails": ["Ops <ops@example.org>"]},
        "allowed is a list of different e-mail addresses",
    ),
    "an address without a domain": ({"alarmEmails": ["ops@localhost"]}, "addresses such as ops@example.org"),
    "an address with a line break": ({"alarmEmails": ["ops@example.org\n"]}, "addresses such as ops@example.org"),
    "a role of another name": (
        {"roleTrust": {"malware": ["ec2.amazonaws.com"]}},
        "allowed is a map of server, api, scanner",
    ),
    "a role for everybody": ({"roleTrust": {"api": ["*"]}}, "roleTrust is {'api': ['*']}; allowed is a map of"),
    "a role for any service": (
        {"roleTrust": {"api": ["s3.amazonaws.com"]}},
        "to lists of services (ec2.amazonaws.com, ",
    ),
    "a role for half an ARN": (
        {"roleTrust": {"api": ["arn:aws:iam::1:root"]}},
        "ARNs such as arn:aws:iam::123456789012:",
    ),
    "a role for a pattern": ({"roleTrust": {"api": ["arn:aws:iam::123456789012:role/*"]}}, "allowed is a map of"),
    "a role for no list": ({"roleTrust": {"api": "ec2.amazonaws.com"}}, "allowed is a map of"),
    "a role for an empty list": ({"roleTrust": {"api": []}}, "allowed is a map of"),
    "a project without a reference": ({"project": {"ssl": True}}, "project is {'ssl': True}; allowed is a map of ref"),
    "half a reference": ({"project": {"reference": "abc"}}, "allowed is a map of reference (20 letters of a-z)"),
    "a project as text": ({"project": "abcdefghijklmnopqrst"}, "allowed is a map of reference"),
    "a project's unknown property": (project(backups=True), "allowed is a map of reference"),
    "no network": (project(networks=[]), "and any of networks (a list of different public networks"),
    "a network as text": (project(networks="203.0.113.0/24"), "a list of different public networks"),
    "an address as network": (project(networks=["203.0.113.7"]), "a list of different public networks"),
    "a network with a mask": (project(networks=["203.0.113.0/255.255.255.0"]), "a list of different public networks"),
    "a network of an interface": (project(networks=["2001:db8::%1/32"]), "a list of different public networks"),
    "a network with zeros": (project(networks=["203.0.113.0/024"]), "a list of different public networks"),
    "a network with host bits": (project(networks=["203.0.113.7/24"]), "a list of different public networks"),
    "a private network": (project(networks=["192.168.7.0/24"]), "a list of different public networks"),
    "a private network of IPv6": (project(networks=["fd00::/8"]), "a list of different public networks"),
    "a network twice": (project(networks=["2001:db8::/32", "2001:DB8::/32"]), "a list of different public networks"),
    "ssl as text": (project(ssl="true"), "ssl (true or false)"),
    "no pool": (project(poolSize=0), "poolSize (1 to 3000)"),
    "too large a pool": (project(poolSize=3001), "poolSize (1 to 3000)"),
    "a pool of a half": (project(poolSize=1.5), "poolSize (1 to 3000)"),
    "a pool of true": (project(poolSize=True), "poolSize (1 to 3000)"),
    "a third mode": (project(poolMode="statement"), "poolMode (transaction or session)"),
    "a mode that is a list": (project(poolMode=["session"]), "poolMode (transaction or session)"),
    "an address twice": ({"alarmEmails": ["a@b.example", "A@b.example"]}, "is ['a@b.example', 'A@b.example']; allowed"),
    "a number as address": ({"alarmEmails": [1]}, "alarmEmails is [1]; allowed is a list of different e-mail"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_value_that_cannot_be_used_is_refused_with_key_value_and_what_is_allowed(name):
    changes, said = REFUSED[name]
    message = refused(**changes)
    assert message.startswith("setting database:")
    assert said in message


def test_a_stack_s_buckets_are_laid_over_the_defaults_by_id():
    defaults = load().buckets
    assert [each.id for each in defaults] == ["audio", "exports", "avatars"]
    assert load(buckets=[]).buckets == defaults
    found = load(buckets=[{"id": "sketches"}, {"id": "audio", "fileSizeLimit": 5}, {"id": "exports", "absent": True}])
    assert [each.id for each in found.buckets] == ["audio", "avatars", "sketches"]
    audio, avatars, sketches = found.buckets
    assert audio == replace(defaults[0], file_size_limit=5)
    assert avatars == defaults[2]
    assert sketches == BucketSettings("sketches")
    assert load(buckets=[{"id": "exports", "retentionDays": None}]).buckets[1].retention_days is None


def test_a_size_with_a_unit_is_refused_with_the_numbers_of_bytes_it_can_mean():
    said = refused(buckets=bucket(fileSizeLimit="50MB"))
    assert "50000000" in said


def test_origins_with_ports_and_several_keys_are_allowed():
    found = load(corsOrigins=["https://app.example.org:8443", "http://localhost:3000"], cdnKeys=["2026-12", "1"])
    assert found.cors_origins == ("https://app.example.org:8443", "http://localhost:3000")
    assert found.cdn_keys == ("2026-12", "1")


def test_addresses_are_kept_as_they_are_written():
    addresses = ["ops+alarms@mail.example.org", "O_n-call.2@b.example"]
    assert load(alarmEmails=addresses).alarm_emails == tuple(addresses)


def test_families_of_mime_types_and_no_limit_are_allowed():
    *_, found = load(buckets=[{"id": "songs", "allowedMimeTypes": ["audio/*", "image/svg+xml"]}]).buckets
    assert found.allowed_mime_types == ("audio/*", "image/svg+xml")
    assert found.file_size_limit is None
    assert found.public is False


# The URL, which is a secret.


def url(password: str, rest: str = "@db.example.org:5433/app") -> str:
    return f"postgresql://admin:{password}{rest}"


@pytest.fixture
def password() -> str:
    return secrets.token_hex(8)


def test_a_url_that_is_no_secret_is_refused_and_not_shown(password):
    said = refused(url=url(password))
    assert said == (
        "setting database:url is '[secret]'; allowed is a secret only: `./pulumiw config set --secret database:url`, "
        "which asks for it"
    )


@pytest.mark.parametrize(
    "rest",
    [
        "@host:port/app",
        "@host:99999/app",
        "@[::1/app",
        "",
        "@/app",
        "@host/app?sslmod=require",
        "@host",
        "/x@host/app",
        "@host/app?sslrootcert=ca.pem",
    ],
)
def test_a_url_of_another_form_is_refused_and_not_shown(password, rest):
    said = refused(secret=("url",), url=url(password, rest))
    assert said.startswith(
        "setting database:url is '[secret]'; allowed is postgresql://user:password@host:port/database"
    )
    assert password not in said


def taken(given: str) -> str | None:
    """The URL of the settings, which no representation of them shows."""
    found = load(secret=("url",), url=given)
    assert given not in repr(found)
    return found.url


@pytest.mark.parametrize(
    "rest",
    [
        "@[::1]:5433/app",
        "@%2Fvar%2Frun:5433/app",
        "@/app?host=/var/run",
        "@host/app?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "@a:1,b:2/app?target_session_attrs=read-write",
    ],
)
def test_a_url_of_any_form_that_libpq_knows_is_taken(password, rest):
    assert taken(url(password, rest)) == url(password, rest)


def test_what_to_percent_encode_in_a_password_is_said(password):
    assert "write / as %2F" in refused(secret=("url",), url=url(f"{password}/x"))


@pytest.mark.parametrize("scheme", ["mysql://", "http://", ""])
def test_another_scheme_is_refused_and_not_shown(password, scheme):
    said = refused(secret=("url",), url=url(password).replace("postgresql://", scheme))
    assert password not in said


def test_a_url_under_a_misspelled_key_is_not_shown(password):
    assert password not in refused(Url=url(password))
    assert password not in refused(secret=("pasword",), pasword=password)


def test_a_secret_url_is_taken_and_stays_secret(password):
    assert taken(url(password)) == url(password)


def test_the_longest_time_of_postgresql_is_taken():
    assert load(lockTimeout="35791min").lock_timeout == "35791min"


def test_the_budget_for_locks_is_read_of_a_stack_without_a_run(monkeypatch):
    for text, seconds in (("1s", 1.0), ("250ms", 0.25), ("2min", 120.0)):
        monkeypatch.setattr(engine, "_setting", lambda stack, key, text=text: text)
        assert engine.lock_budget("dev") == seconds
    monkeypatch.setattr(engine, "_setting", lambda stack, key: 2)
    with pytest.raises(SettingError, match="lockBudget"):
        engine.lock_budget("dev")

"""The settings of a stack: read once, checked whole, before any resource is registered.

This is the only reader of the stack's configuration: whole for the program, key by key for the commands that have no
more than the stack's file. `Pulumi.yaml` declares each key with its default and its meaning.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import cache
from typing import Any

import yaml

from declared import connectionurl, health, locktimeout, naming
from declared import permissions as allowed_once
from declared.awsnames import REGION, REGIONS
from declared.backups import FORM as BACKUPS
from declared.backups import BackupSettings
from declared.backups import backups as backup_settings
from declared.buckets import BucketSettings as BucketSettings
from declared.buckets import SettingError as SettingError
from declared.buckets import buckets as bucket_settings
from declared.buckets import file_size
from declared.budgets import FORM as BUDGETS
from declared.budgets import budgets as budget_settings
from declared.health import Check
from declared.hostedproject import FORM as PROJECT
from declared.hostedproject import HostedProject
from declared.hostedproject import project as hosted_project
from declared.maintenance import FORM as MAINTENANCE
from declared.maintenance import MaintenanceSettings
from declared.maintenance import jobs as maintenance_jobs
from declared.maintenance import maintenance as maintenance_settings
from declared.naming import NAMESPACE
from declared.objectlayout import CLEAN_TAGS
from declared.paths import CHECKOUT
from declared.permissions import Permission
from declared.roletrust import FORM as TRUST
from declared.roletrust import role_trust

TARGETS = ("local", "supabase", "aws")
SCANNERS = tuple(CLEAN_TAGS)
# Of what PostgreSQL takes as a time, what is read in one way only.
DURATION = re.compile(r"[1-9][0-9]{0,9}(ms|s|min)")
MONTHS = re.compile(r"[1-9][0-9]{0,2}")
WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")
PROVIDER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PROVIDERS = "a list of different providers as the app names them, such as [apple, google]"
MOST_PASSWORDS = 999_999
PASSWORDS = (
    f"[1] to [{MOST_PASSWORDS}], or two neighbours such as [2, 1] while both are open; the first is in the outputs"
)
KEY = re.compile(r"[a-z0-9_]{1,32}")
# Private keys of 1.6 kB travel in the first message of a connection, which PostgreSQL limits to 10 kB.
MOST_KEYS = 4
KEYS = f"a list of 1 to {MOST_KEYS} different names of a-z, 0-9 and _, such as [k2, k1]; the first one seals"
CDN_KEY = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")
# CloudFront takes five keys in a group.
CDN_KEYS = "a list of 1 to 5 different names of a-z, 0-9 and -, the one that signs first"
ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://localhost(:[0-9]{1,5})?")
ORIGINS = "a list of origins such as https://app.example.org, without a path; http for localhost only"

# What a mail server takes, except for quoted names and addresses in brackets.
EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
EMAILS = "a list of different e-mail addresses such as ops@example.org"
# What a person did, and the errors that they met, go when they go; an archive couldn't follow.
ARCHIVABLE = re.compile(r"audit\.log|analytics\.(api_usage|performance_metrics)")
ARCHIVED = "a list of audit.log, analytics.api_usage and analytics.performance_metrics, or of some of them"
ADOPTED = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*")
ACCOUNT = re.compile(r"[0-9]{12}")
ACCOUNTS = 'a list of numbers of accounts at AWS, each in quotes, such as ["123456789012"]'


@dataclass(frozen=True)
class Settings:
    """Every key of the namespace `database`, checked."""

    target: str
    offline: bool
    """Whether this machine plays what the target has elsewhere."""
    account_ids: tuple[str, ...]
    """The accounts at AWS that may be used; none are all."""
    url: str | None = field(repr=False)
    """Where an existing server is, and who provisions there; a secret."""
    adopted: str
    """The folder with the declaration of an adopted database; empty where the stack is the app's."""
    project: HostedProject | None
    """What is declared of the project that hosts the database, beside the database itself."""
    lock_timeout: str
    lock_budget: str
    """For how long a migration may hold what blocks reads or writes, by `./vpb migrate locks`."""
    protect_data: bool | None
    """Whether rows are protected from rollbacks; None where nobody said so."""
    api: bool
    """Whether an API in front of the database is started on this machine."""
    allow: tuple[Permission, ...]
    """What may be done once although it is refused elsewhere, expired ones too."""
    passwords: tuple[int, ...]
    """The numbers of the logins' passwords that are open; the first one's are in the outputs."""
    encryption_keys: tuple[str, ...]
    region: str
    retention_months: int
    audit_retention_months: int
    archived_tables: tuple[str, ...]
    """Whose months go into the object bucket before they are dropped."""
    verifying_providers: tuple[str, ...]
    invitation_days: int
    invitations_per_day: int
    projects_per_person: int
    project_megabytes: int
    broadcast: bool
    """Whether changes of components are sent to the rooms of their projects."""
    budgets: Mapping[str, Mapping[str, str]]
    generations_waiting: int
    reservation_minutes: int
    generation_days: int
    """After how many days a generation that has ended goes; 0 is never."""
    accept_drift: str | None
    promoted_from: str
    """The stack that has to have had what is declared; an empty text where none has."""
    buckets: tuple[BucketSettings, ...]
    max_object_size: int
    cors_origins: tuple[str, ...]
    cdn_keys: tuple[str, ...]
    scanning: str
    alarm_emails: tuple[str, ...]
    role_trust: Mapping[str, tuple[str, ...]]
    """Who may take a role at AWS; one that isn't named is taken by nobody."""
    backups: BackupSettings | None
    """What is declared of backups; None where nothing is."""
    thresholds: Mapping[str, Check]
    """From where on a metric is a warning or critical."""
    maintenance: MaintenanceSettings
    """By whom housekeeping runs, when, and how long."""

    def protected(self, disposable: bool) -> bool:
        """Whether data is protected: unless it may go with what holds it, and where nobody said otherwise."""
        return not disposable if self.protect_data is None else self.protect_data

    def protection(self, disposable: bool) -> dict[str, Any]:
        """What may be rolled back, as the component `Structure` takes it."""
        return {"protect": self.protected(disposable), "allow_loss": allowed_once.steps(self.allow)}

    def permission(self, what: str) -> Permission | None:
        """What allows something once, expired or not."""
        return next((each for each in self.allow if each.what == what), None)

    def accepted(self, keep: bool) -> dict[str, Any]:
        """What is taken as it is before a run changes anything, as the component `Snapshot` takes it.

        Args:
            keep: whether data is kept, and nothing of it goes without a drill.
        """
        return {
            "accept": self.accept_drift,
            "allow_bucket_changes": allowed_once.bucket_changes(self.allow),
            "drill_within": self.backups and self.backups.drill_within,
            "destructive": allowed_once.destructive(self.allow) if keep else (),
        }

    @property
    def jobs(self) -> dict[str, tuple[str, str]]:
        """The jobs of a scheduler in the database, as the component `Maintenance` takes them; else none."""
        if not self.maintenance.in_database:
            return {}
        return maintenance_jobs(self.maintenance, self.retention_months, self.audit_retention_months)

    @property
    def stored(self) -> dict[str, str]:
        """The settings that functions of the database go by, each as a JSON text."""
        values = {
            "verifyingProviders": self.verifying_providers,
            "invitationDays": self.invitation_days,
            "invitationsPerDay": self.invitations_per_day,
            "projectsPerPerson": self.projects_per_person,
            "projectMegabytes": self.project_megabytes,
            "broadcast": self.broadcast,
            "budgets": self.budgets,
            "generationsWaiting": self.generations_waiting,
            "reservationMinutes": self.reservation_minutes,
            "generationDays": self.generation_days,
            "archivedTables": self.archived_tables,
            "bucketAccess": {bucket.id: bucket.access for bucket in self.buckets},
            "cdnBuckets": [bucket.id for bucket in self.buckets if bucket.cdn],
        }
        return {name: json.dumps(value) for name, value in values.items()}

    @property
    def exported(self) -> dict[str, Any]:
        """The settings that the commands and the app go by, as stack outputs."""
        return {
            "storage_buckets": {bucket.id: bucket.exported for bucket in self.buckets},
            "storage_retention_days": {each.id: each.retention_days for each in self.buckets if each.retention_days},
            "max_object_size": self.max_object_size,
            "retention_months": {"analytics": self.retention_months, "audit": self.audit_retention_months},
            "archived_tables": list(self.archived_tables),
        }

    @classmethod
    def keys(cls) -> list[str]:
        """The configuration keys, as a stack file spells them."""
        return [_camel(field.name) for field in fields(cls)]

    @classmethod
    def load(cls, given: Mapping[str, str], secrets: Collection[str] = ()) -> "Settings":
        """The settings that a stack's configuration gives.

        Args:
            given: each key's value, defaults included, as Pulumi hands them on: a list or a map is JSON.
            secrets: the keys whose values Pulumi keeps encrypted.

        :raises SettingError: for the first key that can't be used
        """
        try:
            return cls._load(given, secrets)
        except SettingError as error:
            raise error.hidden() if error.name in secrets else error from None

    @classmethod
    def _load(cls, given: Mapping[str, str], secrets: Collection[str]) -> "Settings":
        _refuse_unknown(given, cls.keys())
        config = _Given(given)
        target = config.or_default("target")
        if target not in TARGETS:
            raise SettingError("target", target, "one of " + ", ".join(TARGETS))
        max_object_size = _max_object_size(config)
        return cls(
            target=target,
            offline=bool(_boolean(config, "offline")),
            account_ids=_texts("accountIds", config.json("accountIds", ACCOUNTS), ACCOUNT, ACCOUNTS),
            url=_url(config, secrets),
            adopted=_adopted(config),
            project=hosted_project(config.json("project", PROJECT)),
            lock_timeout=_duration(config, "lockTimeout"),
            lock_budget=_duration(config, "lockBudget"),
            protect_data=_boolean(config, "protectData"),
            api=bool(_boolean(config, "api")),
            allow=allowed_once.permissions(config.json("allow", allowed_once.FORM)),
            passwords=passwords(config.json("passwords", PASSWORDS)),
            region=_matching(config, "region", REGION, REGIONS),
            retention_months=_months(config, "retentionMonths"),
            audit_retention_months=_months(config, "auditRetentionMonths"),
            archived_tables=_texts("archivedTables", config.json("archivedTables", ARCHIVED), ARCHIVABLE, ARCHIVED),
            encryption_keys=_encryption_keys(config.json("encryptionKeys", KEYS)),
            verifying_providers=_providers(config.json("verifyingProviders", PROVIDERS)),
            invitation_days=_whole(config, "invitationDays", 365),
            invitations_per_day=_whole(config, "invitationsPerDay", 100_000),
            projects_per_person=_whole(config, "projectsPerPerson", 1_000_000),
            broadcast=bool(_boolean(config, "broadcast")),
            project_megabytes=_whole(config, "projectMegabytes", 1024, least=16),
            budgets=budget_settings(config.json("budgets", BUDGETS)),
            generations_waiting=_whole(config, "generationsWaiting", 10_000),
            reservation_minutes=_whole(config, "reservationMinutes", 1440),
            generation_days=_whole(config, "generationDays", 36_500, least=0),
            accept_drift=config.get("acceptDrift") or None,
            promoted_from=_stack(config),
            buckets=bucket_settings(config.json("buckets", "a list of maps"), max_object_size, defaults()["buckets"]),
            max_object_size=max_object_size,
            cors_origins=_texts("corsOrigins", config.json("corsOrigins", ORIGINS), ORIGIN, ORIGINS),
            cdn_keys=_cdn_keys(config.json("cdnKeys", CDN_KEYS)),
            scanning=_scanning(config.or_default("scanning")),
            alarm_emails=_emails(config.json("alarmEmails", EMAILS)),
            role_trust=role_trust(config.json("roleTrust", TRUST)),
            backups=backup_settings(config.json("backups", BACKUPS)),
            thresholds=health.checks(config.json("thresholds", health.FORM)),
            maintenance=maintenance_settings(config.json("maintenance", MAINTENANCE)),
        )


def _adopted(config: "_Given") -> str:
    value = config.or_default("adopted")
    if value and not ADOPTED.fullmatch(value):
        raise SettingError("adopted", value, "a folder that `./vpb adopt` has written, such as adopted/shop")
    return value


def _refuse_unknown(given: Mapping[str, str], keys: Sequence[str]) -> None:
    for key in sorted(given):
        if key not in keys:
            near = get_close_matches(key, keys, n=1)
            meant = f"perhaps {near[0]} is meant" if near else f"there are {', '.join(keys)}"
            raise SettingError(key, given[key], f"no such key; {meant}")


@cache
def defaults() -> Mapping[str, Any]:
    """Each key's default, as `Pulumi.yaml` declares it."""
    declared = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    return {key: entry["default"] for key, entry in declared.items()}


def one(file: Mapping[str, object], key: str) -> object:
    """A setting as a stack's file has it, or else its default; not checked, for what a command asks before a run."""
    return file.get(f"{NAMESPACE}:{key}", defaults()[key])


class _Given:
    """Values as Pulumi hands them on."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def get(self, key: str) -> str:
        return self._texts.get(key) or ""

    def or_default(self, key: str) -> str:
        return self.get(key) or str(defaults()[key])

    def json(self, key: str, allowed: str) -> Any:
        """
        :raises SettingError: for what is no JSON
        """
        if key not in self._texts:
            return None
        try:
            return json.loads(self._texts[key])
        except ValueError:
            raise SettingError(key, self._texts[key], allowed) from None


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _matching(config: _Given, key: str, pattern: re.Pattern[str], allowed: str) -> str:
    value = config.get(key)
    if not pattern.fullmatch(value):
        raise SettingError(key, value, allowed)
    return value


def _stack(config: _Given) -> str:
    value = config.get("promotedFrom")
    try:
        return value and naming.stack(value)
    except naming.NameRefused:
        raise SettingError("promotedFrom", value, "the name of another stack, such as staging") from None


def _duration(config: _Given, key: str) -> str:
    value = config.get(key)
    seconds(key, value)
    return value


def seconds(key: str, value: Any) -> float:
    """A time such as 500ms.

    :raises SettingError: for what is none
    """
    text = str(value)
    if not DURATION.fullmatch(text) or not locktimeout.fits(text):
        raise SettingError(key, value, f"a time such as 500ms, 5s or 1min, {locktimeout.AT_MOST}")
    return locktimeout.seconds(text)


def _boolean(config: _Given, key: str) -> bool | None:
    value = config.get(key)
    if value not in ("", "true", "false"):
        raise SettingError(key, value, "true or false")
    return value == "true" if value else None


def _months(config: _Given, key: str) -> int:
    value = config.get(key)
    if not MONTHS.fullmatch(value):
        raise SettingError(key, value, "a whole number of months from 1 to 999")
    return int(value)


def _whole(config: _Given, key: str, most: int, least: int = 1) -> int:
    value = config.get(key)
    if not WHOLE.fullmatch(value) or not least <= int(value) <= most:
        raise SettingError(key, value, f"a whole number from {least} to {most}")
    return int(value)


def _providers(value: Any) -> tuple[str, ...]:
    names = _texts("verifyingProviders", value, PROVIDER, PROVIDERS)
    if len(set(names)) < len(names):
        raise SettingError("verifyingProviders", value, PROVIDERS)
    return names


def listed(value: Any) -> Any:
    """A value of a stack's file; `pulumi config set` writes a list as the text of one."""
    if isinstance(value, str):
        with suppress(ValueError):
            return json.loads(value)
    return value


def passwords(value: Any) -> tuple[int, ...]:
    """
    :raises SettingError: for anything but one number, or two neighbours
    """
    value = listed(value)
    fits = isinstance(value, list) and all(type(number) is int and 1 <= number <= MOST_PASSWORDS for number in value)
    if not fits or not (len(value) == 1 or (len(value) == 2 and abs(value[0] - value[1]) == 1)):
        raise SettingError("passwords", value, PASSWORDS)
    return tuple(value)


def _encryption_keys(value: Any) -> tuple[str, ...]:
    fits = isinstance(value, list) and all(isinstance(name, str) and KEY.fullmatch(name) for name in value)
    if not fits or not 1 <= len(set(value)) == len(value) <= MOST_KEYS:
        raise SettingError("encryptionKeys", value, KEYS)
    return tuple(value)


def _texts(key: str, value: Any, pattern: re.Pattern[str], allowed: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and pattern.fullmatch(name) for name in value):
        raise SettingError(key, value, allowed)
    return tuple(value)


def _max_object_size(config: _Given) -> int:
    text = config.get("maxObjectSize")
    size = file_size("maxObjectSize", int(text) if text.isdecimal() else text)
    assert size is not None
    return size


def _cdn_keys(value: Any) -> tuple[str, ...]:
    names = _texts("cdnKeys", value, CDN_KEY, CDN_KEYS)
    if not 1 <= len(names) <= 5 or len(set(names)) < len(names):
        raise SettingError("cdnKeys", value, CDN_KEYS)
    return names


def _emails(value: Any) -> tuple[str, ...]:
    addresses = _texts("alarmEmails", value, EMAIL, EMAILS)
    if len({address.lower() for address in addresses}) < len(addresses):
        raise SettingError("alarmEmails", value, EMAILS)
    return addresses


def _scanning(value: str) -> str:
    if value not in SCANNERS:
        raise SettingError("scanning", value, "one of " + ", ".join(SCANNERS))
    return value


def _url(config: _Given, secrets: Collection[str]) -> str | None:
    value = config.get("url")
    if not value:
        return None
    try:
        connectionurl.from_anywhere(connectionurl.parse(value))
    except connectionurl.UrlError as error:
        raise SettingError("url", value, str(error)) from None
    if "url" not in secrets:
        raise SettingError(
            "url", value, "a secret only: `./pulumiw config set --secret database:url`, which asks for it"
        )
    return value

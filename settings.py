"""The settings of a stack: read once, checked whole, before any resource is registered.

This is the only reader of the stack's configuration. `Pulumi.yaml` declares each key with its default and its meaning.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import unquote, urlsplit

import pulumi
import pulumi.runtime.config

NAMESPACE = "database"
TARGETS = ("local", "supabase", "aws")
BUCKET_KEYS = {"id", "public", "fileSizeLimit", "allowedMimeTypes"}
# Supabase Storage allows more; these are safe in a URL, a shell and a bucket policy as well.
BUCKET_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
MIME_TYPE = re.compile(r"[a-z]+/(\*|[a-z0-9][a-z0-9.+_-]*)")
# The top-level types of the IANA registry (RFC 6838, section 4.2); another one can't match any upload.
MIME_FAMILIES = {"application", "audio", "font", "image", "message", "model", "multipart", "text", "video"}
DURATION = re.compile(r"[1-9][0-9]{0,6}(ms|s|min)")
STEP = re.compile(r"[0-9]{4}_[a-z0-9_]+")
STEPS = "a list of steps such as 0003_projects"
MONTHS = re.compile(r"[1-9][0-9]{0,2}")
KEY = re.compile(r"[a-z0-9_]{1,32}")
# Private keys of 1.6 kB travel in the first message of a connection, which PostgreSQL limits to 10 kB.
MOST_KEYS = 4
KEYS = f"a list of 1 to {MOST_KEYS} different names of a-z, 0-9 and _, such as [k2, k1]; the first one seals"
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
SIZE = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<unit>[kMG]i?B)", re.IGNORECASE)
UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
# Amazon S3's largest object, 5 TB.
LARGEST_OBJECT = 5 * 10**12


class SettingError(pulumi.RunError):
    """A setting that can't be used: the key, its value, what is allowed. Pulumi shows it without a stack trace."""

    def __init__(self, key: str, value: Any, allowed: str) -> None:
        # A misspelled key of a URL may hold a password as well.
        hidden = key == "url" or "://" in str(value) or pulumi.runtime.config.is_config_secret(f"{NAMESPACE}:{key}")
        shown = "'[secret]'" if hidden else repr(value)
        super().__init__(f"setting {NAMESPACE}:{key} is {shown}; allowed is {allowed}")


@dataclass(frozen=True)
class BucketSettings:
    """One storage bucket; the limit is in bytes, no limit is None; no MIME types means any."""

    id: str
    public: bool
    file_size_limit: int | None
    allowed_mime_types: tuple[str, ...]

    @property
    def exported(self) -> dict[str, Any]:
        """The bucket as the stack output `storage_buckets` tells it."""
        return {
            "public": self.public,
            "file_size_limit": self.file_size_limit,
            "allowed_mime_types": list(self.allowed_mime_types),
        }


@dataclass(frozen=True)
class Settings:
    """Every key of the namespace `database`, checked."""

    target: str
    url: pulumi.Output[str] | None
    lock_timeout: str
    protect_data: bool
    allow_loss: tuple[str, ...]
    rotation: str
    encryption_keys: tuple[str, ...]
    region: str
    retention_months: int
    audit_retention_months: int
    accept_drift: str | None
    buckets: tuple[BucketSettings, ...]

    @property
    def protection(self) -> dict[str, Any]:
        """What may be rolled back, as the component `Structure` takes it."""
        return {"protect": self.protect_data, "allow": self.allow_loss}

    @classmethod
    def keys(cls) -> list[str]:
        """The configuration keys, as a stack file spells them."""
        return [_camel(field.name) for field in fields(cls)]

    @classmethod
    def load(cls) -> "Settings":
        """The settings of the stack that is being run.

        :raises SettingError: for the first key that can't be used
        """
        config = pulumi.Config(NAMESPACE)
        keys = cls.keys()
        for key in _given():
            if key not in keys:
                raise SettingError(key, config.get(key), f"no such key; there are {', '.join(keys)}")
        target = config.get("target") or "local"
        if target not in TARGETS:
            raise SettingError("target", target, "one of " + ", ".join(TARGETS))
        if target != "local":
            raise SettingError("target", target, "only local so far; supabase and aws are not built yet")
        return cls(
            target=target,
            url=_url(config),
            lock_timeout=_matching(config, "lockTimeout", DURATION, "a time such as 500ms, 5s or 1min"),
            protect_data=_boolean(config, "protectData"),
            allow_loss=_steps(_json(config, "allowLoss", STEPS)),
            rotation=config.get("rotation") or "1",
            region=_matching(config, "region", REGION, "an AWS region such as us-east-1"),
            retention_months=_months(config, "retentionMonths"),
            audit_retention_months=_months(config, "auditRetentionMonths"),
            encryption_keys=_encryption_keys(_json(config, "encryptionKeys", KEYS)),
            accept_drift=config.get("acceptDrift") or None,
            buckets=_buckets(_json(config, "buckets", "a list of maps")),
        )


def _given() -> list[str]:
    names = pulumi.runtime.config.CONFIG.get() | pulumi.runtime.config.get_config_env()
    return sorted(name.split(":", 1)[1] for name in names if name.startswith(f"{NAMESPACE}:"))


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _matching(config: pulumi.Config, key: str, pattern: re.Pattern[str], allowed: str) -> str:
    value: str = config.get(key) or ""
    if not pattern.fullmatch(value):
        raise SettingError(key, value, allowed)
    return value


def _json(config: pulumi.Config, key: str, allowed: str) -> Any:
    try:
        return config.get_object(key)
    except pulumi.ConfigTypeError:
        raise SettingError(key, config.get(key), allowed) from None


def _boolean(config: pulumi.Config, key: str) -> bool:
    value = config.get(key) or "false"
    if value not in ("true", "false"):
        raise SettingError(key, value, "true or false")
    return value == "true"


def _months(config: pulumi.Config, key: str) -> int:
    value = config.get(key) or ""
    if not MONTHS.fullmatch(value):
        raise SettingError(key, value, "a whole number of months from 1 to 999")
    return int(value)


def _steps(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and STEP.fullmatch(name) for name in value):
        raise SettingError("allowLoss", value, STEPS)
    return tuple(value)


def _encryption_keys(value: Any) -> tuple[str, ...]:
    fits = isinstance(value, list) and all(isinstance(name, str) and KEY.fullmatch(name) for name in value)
    if not fits or not 1 <= len(set(value)) == len(value) <= MOST_KEYS:
        raise SettingError("encryptionKeys", value, KEYS)
    return tuple(value)


def _url(config: pulumi.Config) -> pulumi.Output[str] | None:
    value = config.get("url")
    if not value:
        return None
    if not _is_url(value):
        raise SettingError("url", value, "postgresql://user:password@host:port/database, and nothing after it")
    if not pulumi.runtime.config.is_config_secret(f"{NAMESPACE}:url"):
        raise SettingError("url", value, "a secret only: `pulumi config set --secret database:url …`")
    return config.require_secret("url")


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port or 5432
    except ValueError:
        return False
    known = parts.scheme in ("postgresql", "postgres") and not parts.query and not parts.fragment and port > 0
    return known and all((parts.hostname, parts.username, parts.password)) and "/" not in parts.path.strip("/")


def split_url(url: str) -> dict[str, Any]:
    """Host, port, user, password and database of a connection URL."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname,
        "port": parts.port or 5432,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.strip("/")) or "postgres",
    }


def _buckets(value: Any) -> tuple[BucketSettings, ...]:
    if not isinstance(value, list):
        raise SettingError("buckets", value, "a list of maps")
    found = tuple(_bucket(f"buckets[{number}]", entry) for number, entry in enumerate(value))
    ids = [bucket.id for bucket in found]
    for id in ids:
        if ids.count(id) > 1:
            raise SettingError("buckets", id, "one bucket of each id")
    return found


def _bucket(key: str, value: Any) -> BucketSettings:
    if not isinstance(value, Mapping):
        raise SettingError(key, value, "a map with " + ", ".join(sorted(BUCKET_KEYS)))
    for name in value:
        if name not in BUCKET_KEYS:
            raise SettingError(f"{key}.{name}", value[name], "no such key; there are " + ", ".join(sorted(BUCKET_KEYS)))
    return BucketSettings(
        id=_checked(f"{key}.id", value.get("id"), _is_id, "a-z, 0-9, _ . and -, up to 100, no quotes"),
        public=_checked(f"{key}.public", value.get("public", False), _is_bool, "true or false"),
        file_size_limit=_bytes(f"{key}.fileSizeLimit", value.get("fileSizeLimit")),
        allowed_mime_types=_mime_types(f"{key}.allowedMimeTypes", value.get("allowedMimeTypes", [])),
    )


def _checked(key: str, value: Any, fits: Callable[[Any], bool], allowed: str) -> Any:
    if not fits(value):
        raise SettingError(key, value, allowed)
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(BUCKET_ID.fullmatch(value))


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _bytes(key: str, value: Any) -> int | None:
    """A number of bytes. A size with a unit is refused with its number, since MB means two things in this field."""
    if value is None:
        return None
    match = SIZE.fullmatch(value) if isinstance(value, str) else None
    if match:
        number = int(float(match["number"]) * UNITS[match["unit"].lower()])
        raise SettingError(key, value, f"a whole number of bytes, here {number}")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LARGEST_OBJECT:
        raise SettingError(
            key, value, f"a whole number of bytes from 1 to {LARGEST_OBJECT} (5 TB, S3's largest object)"
        )
    return value


def _mime_types(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SettingError(key, value, "a list of MIME types such as audio/mpeg or audio/*")
    for entry in value:
        fits = isinstance(entry, str) and MIME_TYPE.fullmatch(entry) and entry.split("/")[0] in MIME_FAMILIES
        if not fits:
            raise SettingError(
                key, entry, f"type/subtype or type/* in lower case, type one of {', '.join(sorted(MIME_FAMILIES))}"
            )
    return tuple(value)

"""The storage buckets in a stack's settings, and the one way in which a setting is refused."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from declared.errors import UserError
from declared.naming import BUCKET_ID, MIME_FAMILIES, MIME_TYPE, NAMESPACE

BUCKET_KEYS = {"id", "access", "public", "fileSizeLimit", "allowedMimeTypes", "retentionDays", "cdn", "absent"}
# Whose the folders of a bucket are, and who writes there.
PEOPLE, INBOX, PROJECTS, SERVERS = "people", "inbox", "projects", "servers"
ACCESS = (PEOPLE, INBOX, PROJECTS, SERVERS)
SIZE = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<unit>[kMG]i?B)", re.IGNORECASE)
UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
# Amazon S3's largest object, 5 TB.
LARGEST_OBJECT = 5 * 10**12
LONGEST_RETENTION = 3650
SECRET = "'[secret]'"


class SettingError(UserError):
    """A setting that can't be used: the key, its value, what is allowed, in one line."""

    def __init__(self, key: str, value: Any, allowed: str) -> None:
        # A misspelled key of a URL may hold a password as well; an origin never does.
        is_url = key == "url" or ("://" in str(value) and key != "corsOrigins")
        self._key, self._allowed = key, allowed
        super().__init__(f"setting {NAMESPACE}:{key} is {SECRET if is_url else repr(value)}; allowed is {allowed}")

    @property
    def name(self) -> str:
        """The key in the stack's file, without the place in its value."""
        return re.split(r"[.\[]", self._key)[0]

    def hidden(self) -> "SettingError":
        """The same without the value, which is a secret."""
        error = SettingError(self._key, "", self._allowed)
        error.args = (f"setting {NAMESPACE}:{self._key} is {SECRET}; allowed is {self._allowed}",)
        return error


@dataclass(frozen=True)
class BucketSettings:
    """One storage bucket; the limit is in bytes, no limit is None; no MIME types means any."""

    id: str
    access: str = SERVERS
    """`people`: a folder each, who read, write and delete; `inbox`: servers write it, they read and delete;
    `projects`: a folder each, where the role in the project says; `servers`: nobody else."""
    public: bool = False
    """Whether everybody reads, by its address, what is scanned clean."""
    file_size_limit: int | None = None
    allowed_mime_types: tuple[str, ...] = ()
    retention_days: int | None = None
    """How long an object stays; None is until it is deleted."""
    cdn: bool = False
    """Whether the CDN serves it: to everybody where it is public, else to bearers of a signed URL."""

    @property
    def exported(self) -> dict[str, Any]:
        """The bucket as the stack output `storage_buckets` has it."""
        return {
            "access": self.access,
            "public": self.public,
            "file_size_limit": self.file_size_limit,
            "allowed_mime_types": list(self.allowed_mime_types),
            "cdn": self.cdn,
        }


def buckets(value: Any, largest: int, defaults: Sequence[Mapping[str, Any]] = ()) -> tuple[BucketSettings, ...]:
    """The buckets of a stack: the defaults, and the setting `buckets` laid over them by id.

    An entry of a default's id changes the keys that it names, and one that says `absent` takes the bucket out; any
    other one is a bucket more. None takes more than `largest` bytes.
    """
    if not isinstance(value, list):
        raise SettingError("buckets", value, "a list of maps")
    keys = {_bucket(f"buckets[{number}]", entry).id: f"buckets[{number}]" for number, entry in enumerate(value)}
    ids = [entry["id"] for entry in value]
    for id in ids:
        if ids.count(id) > 1:
            raise SettingError("buckets", id, "one bucket of each id")
    laid = {entry["id"]: dict(entry) for entry in defaults}
    for entry in value:
        if entry.get("absent") and entry["id"] not in laid:
            raise SettingError(f"{keys[entry['id']]}.absent", True, f"one of the defaults only: {', '.join(laid)}")
        laid[entry["id"]] = laid.get(entry["id"], {}) | entry
    found = [_bucket(keys.get(id, f"buckets.{id}"), entry) for id, entry in laid.items() if not entry.get("absent")]
    for bucket in found:
        if (bucket.file_size_limit or 0) > largest:
            allowed = f"at most database:maxObjectSize, {largest}; lower this one or raise that one"
            key = keys.get(bucket.id, f"buckets.{bucket.id}")
            raise SettingError(f"{key}.fileSizeLimit", bucket.file_size_limit, allowed)
    return tuple(found)


def _bucket(key: str, value: Any) -> BucketSettings:
    if not isinstance(value, Mapping):
        raise SettingError(key, value, "a map with " + ", ".join(sorted(BUCKET_KEYS)))
    for name in value:
        if name not in BUCKET_KEYS:
            raise SettingError(f"{key}.{name}", value[name], "no such key; there are " + ", ".join(sorted(BUCKET_KEYS)))
    _checked(f"{key}.absent", value.get("absent", False), _is_bool, "true or false")
    return BucketSettings(
        id=_checked(f"{key}.id", value.get("id"), _is_id, "a-z, 0-9, _ . and -, up to 100, no quotes"),
        access=_checked(f"{key}.access", value.get("access", SERVERS), _is_access, "one of " + ", ".join(ACCESS)),
        public=_checked(f"{key}.public", value.get("public", False), _is_bool, "true or false"),
        file_size_limit=file_size(f"{key}.fileSizeLimit", value.get("fileSizeLimit")),
        allowed_mime_types=_mime_types(f"{key}.allowedMimeTypes", value.get("allowedMimeTypes", [])),
        retention_days=_checked(
            f"{key}.retentionDays", value.get("retentionDays"), _is_days, f"1 to {LONGEST_RETENTION} days"
        ),
        cdn=_checked(f"{key}.cdn", value.get("cdn", False), _is_bool, "true or false"),
    )


def _checked(key: str, value: Any, fits: Callable[[Any], bool], allowed: str) -> Any:
    if not fits(value):
        raise SettingError(key, value, allowed)
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(BUCKET_ID.fullmatch(value))


def _is_access(value: Any) -> bool:
    return isinstance(value, str) and value in ACCESS


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_days(value: Any) -> bool:
    return value is None or (type(value) is int and 1 <= value <= LONGEST_RETENTION)


def file_size(key: str, value: Any) -> int | None:
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

"""The storage buckets in a stack's settings, and the one way in which a setting is refused."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from declared.errors import UserError
from declared.naming import BUCKET_ID, MIME_FAMILIES, MIME_TYPE, NAMESPACE

BUCKET_KEYS = {"id", "access", "public", "fileSizeLimit", "allowedMimeTypes", "retentionDays", "cdn"}
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


def buckets(value: Any, largest: int) -> tuple[BucketSettings, ...]:
    """The buckets of the setting `buckets`, none of which takes more than `largest` bytes."""
    if not isinstance(value, list):
        raise SettingError("buckets", value, "a list of maps")
    found = tuple(_bucket(f"buckets[{number}]", entry) for number, entry in enumerate(value))
    ids = [bucket.id for bucket in found]
    for number, bucket in enumerate(found):
        if ids.count(bucket.id) > 1:
            raise SettingError("buckets", bucket.id, "one bucket of each id")
        if (bucket.file_size_limit or 0) > largest:
            allowed = f"at most database:maxObjectSize, {largest}; lower this one or raise that one"
            raise SettingError(f"buckets[{number}].fileSizeLimit", bucket.file_size_limit, allowed)
    return found


def _bucket(key: str, value: Any) -> BucketSettings:
    if not isinstance(value, Mapping):
        raise SettingError(key, value, "a map with " + ", ".join(sorted(BUCKET_KEYS)))
    for name in value:
        if name not in BUCKET_KEYS:
            raise SettingError(f"{key}.{name}", value[name], "no such key; there are " + ", ".join(sorted(BUCKET_KEYS)))
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

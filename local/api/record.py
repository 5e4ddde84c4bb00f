"""What the API keeps in its stack's folder, for its owner alone: the secret, and what it is started with."""

import hashlib
import json
import secrets
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from declared import tokens
from declared.folders import read_private, write_private
from local.ports import free_port

NAME = "api.json"
# Seconds. A key of the API is as good as the stack lasts, as those of Supabase's projects.
KEY_SECONDS = 10 * 365 * 86400


@dataclass(frozen=True)
class Start:
    """What the API is started with."""

    program: str
    """PostgREST."""
    version: str
    """PostgREST's."""
    rest_url: str
    """The database, as the login that becomes `anon`, `authenticated` or `service_role`."""
    storage_url: str
    """The same, as the Storage API's login."""
    schemas: tuple[str, ...]
    bucket: str
    """The S3 bucket with all stored files."""
    region: str
    endpoint: str
    access_key: str
    secret_key: str
    largest: int
    """Bytes of the largest file of any bucket."""

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Secret:
    """What tokens were signed with before a rotation."""

    secret: str
    issued: int


@dataclass(frozen=True)
class Record:
    """The whole file."""

    port: int
    secret: str
    """What tokens are signed with."""
    issued: int
    """When the secret was made, in seconds since 1970: so the keys are the same each time."""
    start: Start | None = None
    """None where the API isn't to run."""
    old: Secret | None = None
    """The secret before, while its tokens and keys are accepted too."""

    @property
    def fingerprint(self) -> str:
        """Of all that the API is started with; another one means that it has to be started again."""
        return hashlib.sha256(
            json.dumps([asdict(self)[name] for name in ("start", "secret", "old")]).encode()
        ).hexdigest()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a token may be signed with, the newest first."""
        return (self.secret, *([self.old.secret] if self.old else []))

    def key(self, role: str) -> str:
        """The API's key with the rights of a role."""
        return tokens.of_role(self.secret, role, KEY_SECONDS, self.issued)

    def keys(self, role: str) -> tuple[str, ...]:
        """Each key of the API that is accepted for a role."""
        old = [tokens.of_role(self.old.secret, role, KEY_SECONDS, self.old.issued)] if self.old else []
        return (self.key(role), *old)


def read(path: Path) -> Record | None:
    """None where there is none, or it can't be used."""
    found = read_private(path, "port", "secret", "issued", "start")
    if found is None:
        return None
    try:
        start = found["start"] and Start(**{**found["start"], "schemas": tuple(found["start"]["schemas"])})
    except TypeError:  # of another version
        start = None
    # Files of the version before have no rotation.
    old = Secret(**found["old"]) if found.get("old") else None
    return Record(found["port"], found["secret"], found["issued"], start, old)


def new() -> Record:
    """With a secret of its own."""
    return Record(free_port(), secrets.token_urlsafe(tokens.SHORTEST_SECRET), int(time.time()))


def rotated(record: Record) -> Record:
    """With a new secret beside the present one; the same where two are accepted already."""
    if record.old:
        return record
    fresh, now = secrets.token_urlsafe(tokens.SHORTEST_SECRET), int(time.time())
    return replace(record, secret=fresh, issued=now, old=Secret(record.secret, record.issued))


def write(path: Path, record: Record) -> Record:
    """Keep it; the same again."""
    write_private(path, asdict(record))
    return record


def moved(path: Path, record: Record) -> Record:
    """On another port, since somebody else listens on its own."""
    return write(path, replace(record, port=free_port()))

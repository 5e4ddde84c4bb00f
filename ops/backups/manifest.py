"""What a backup says of itself. Facts only: forms, names, and what makes them wrong."""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ops.backups.errors import BadBackup

FORMAT = 1
MANIFEST, SUMMARY = "manifest.age", "summary.json"
SCHEMA, ROLES, FILES = "schema.age", "roles.age", "files.age"
# A part of the files of a server; the number follows.
BASE = "base-"
GOOD = "complete"
LOGICAL, PHYSICAL = "logical", "physical"
ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
PART = re.compile(r"[a-z0-9-]+\.age")
SHA256 = re.compile(r"[0-9a-f]{64}")


def new_id(taken_at: datetime) -> str:
    """The id of a backup, in whose order they were taken: the second, the microsecond in it, and something random."""
    return f"{taken_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{taken_at.microsecond:05x}{secrets.token_hex(2)[:3]}"


@dataclass(frozen=True)
class Part:
    """One object of a backup, as it lies there: compressed and encrypted."""

    name: str
    bytes: int
    sha256: str
    contents_bytes: int
    """Of what is in it."""
    contents_sha256: str


@dataclass(frozen=True)
class Table:
    """The rows of one table that isn't partitioned itself."""

    schema: str
    name: str
    columns: list[str]
    """Those that are copied; a generated one isn't."""
    rows: int
    checksum: str
    """The sum of the rows' hashes, whatever their order."""
    parts: list[Part]

    @property
    def label(self) -> str:
        """The table in messages."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Sequence:
    """Where a sequence stands."""

    schema: str
    name: str
    last_value: int
    is_called: bool


@dataclass
class Manifest:
    """All that a backup is compared with; names of persons' files are in a part of its own."""

    id: str
    stack: str
    taken_at: str
    """The instant of the snapshot, ISO 8601 in UTC."""
    database: str
    server_version: int
    """As PostgreSQL numbers it, such as 170010."""
    schema: Part
    roles: Part
    format: int = FORMAT
    files: Part | None = None
    """Which version of which stored file; None where the object store wasn't asked."""
    file_count: int = 0
    migrations: dict[str, list[str]] = field(default_factory=dict)
    """History table to the names of what was applied."""
    tables: list[Table] = field(default_factory=list)
    sequences: list[Sequence] = field(default_factory=list)
    refreshed: list[list[str]] = field(default_factory=list)
    """Schema and name of materialised views that had been refreshed, in their order."""
    catalogue: dict[str, dict[str, str]] = field(default_factory=dict)
    """Kind of object to object to definition."""
    anchor: dict[str, Any] | None = None
    """Where the audit trail ended."""
    left_out: list[str] = field(default_factory=list)
    """What isn't in the backup, each with the reason."""

    @property
    def parts(self) -> list[Part]:
        """All parts but the manifest's own."""
        found = [self.schema, self.roles, *([self.files] if self.files else [])]
        return found + [part for table in self.tables for part in table.parts]

    def as_json(self) -> bytes:
        """The manifest as it is encrypted."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def read(cls, text: bytes) -> "Manifest":
        """
        :raises BadBackup: where it is no manifest of a format that is known here
        """
        try:
            found = json.loads(text)
            if found["format"] != FORMAT:
                raise BadBackup(f"{MANIFEST}: format {found['format']} isn't read here, which is {FORMAT}")
            for name in ("schema", "roles", "files"):
                found[name] = found[name] and Part(**found[name])
            found["tables"] = [
                Table(**{**table, "parts": [Part(**part) for part in table["parts"]]}) for table in found["tables"]
            ]
            found["sequences"] = [Sequence(**each) for each in found["sequences"]]
            return cls(**found)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadBackup(f"{MANIFEST}: is no manifest of a backup") from None


@dataclass(frozen=True)
class Summary:
    """What lies beside the manifest in clear: no name but the stack's. Written last, so what has none is no backup."""

    id: str
    stack: str
    taken_at: str
    server_version: int
    stored_bytes: int
    """Of all parts together, as they lie there."""
    contents_bytes: int
    tables: int
    rows: int
    files: int | None
    """How many stored files rows name; None where the object store wasn't asked."""
    manifest_sha256: str
    parts: Mapping[str, tuple[int, str]]
    """Name to bytes and SHA-256, the manifest's own too."""
    state: str = GOOD
    format: int = FORMAT
    kind: str = LOGICAL
    """Logical: rows and definitions of a database; physical: the files of a server."""
    wal: Mapping[str, Any] = field(default_factory=dict)
    """Of a physical one: `system`, `timeline`, `start`, `end` and `segment`, see `basemanifest.Range`."""

    @classmethod
    def of(cls, manifest: Manifest, own: Part) -> "Summary":
        """The summary of a manifest, which itself is the part `own`."""
        parts = [*manifest.parts, own]
        return cls(
            id=manifest.id,
            stack=manifest.stack,
            taken_at=manifest.taken_at,
            server_version=manifest.server_version,
            stored_bytes=sum(part.bytes for part in parts),
            contents_bytes=sum(part.contents_bytes for part in manifest.parts),
            tables=len(manifest.tables),
            rows=sum(table.rows for table in manifest.tables),
            files=manifest.file_count if manifest.files else None,
            manifest_sha256=own.sha256,
            parts={part.name: (part.bytes, part.sha256) for part in parts},
        )

    def as_json(self) -> bytes:
        """The summary as it is written, with a digest of its own."""
        found = asdict(self)
        return json.dumps({**found, "digest": _digest(found)}, indent=1).encode()

    @classmethod
    def read(cls, text: bytes, id: str) -> "Summary":
        """
        :raises BadBackup: where it is none, or another backup's
        """
        try:
            found = json.loads(text)
            if found.pop("digest") != _digest(found):
                raise BadBackup(f"{SUMMARY}: was changed since it was written")
            found["parts"] = {name: (int(size), str(sha256)) for name, (size, sha256) in found["parts"].items()}
            summary = cls(**found)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadBackup(f"{SUMMARY}: is no summary of a backup") from None
        if summary.id != id:
            raise BadBackup(f"{SUMMARY}: is that of backup {summary.id}")
        if (summary.format, summary.state) != (FORMAT, GOOD) or summary.kind not in (LOGICAL, PHYSICAL):
            raise BadBackup(f"{SUMMARY}: format {summary.format}, state {summary.state!r} isn't read here")
        named = all(PART.fullmatch(name) and SHA256.fullmatch(digest) for name, (_, digest) in summary.parts.items())
        if not named or summary.parts.get(MANIFEST, (0, ""))[1] != summary.manifest_sha256:
            raise BadBackup(f"{SUMMARY}: doesn't name its parts as a summary does")
        return summary


def _digest(summary: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(summary, sort_keys=True).encode()).hexdigest()

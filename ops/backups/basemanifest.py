"""What a physical backup says of itself: the files of a server, and from where on it needs WAL."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ops.backups.errors import BadBackup
from ops.backups.manifest import BASE, FORMAT, MANIFEST, PHYSICAL, Part, Summary


@dataclass(frozen=True)
class Range:
    """The WAL that a base backup needs to be whole, which lies in it too."""

    system: str
    """The system identifier: which server it is of."""
    timeline: int
    start: int
    """Position in bytes; recovery begins there."""
    end: int
    """After this position it is consistent."""
    segment: int
    """Bytes of a segment."""

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> "Range":
        """
        :raises BadBackup: where it is none
        """
        try:
            numbers = {name: int(found[name]) for name in ("timeline", "start", "end", "segment")}
            made = cls(str(found["system"]), **numbers)
        except (KeyError, TypeError, ValueError):
            raise BadBackup("summary.json: doesn't say which WAL the backup needs") from None
        if not made.system.isdecimal() or not 0 <= made.start <= made.end or made.segment <= 0:
            raise BadBackup("summary.json: doesn't say which WAL the backup needs")
        return made

    @property
    def first(self) -> int:
        """The number of the segment that recovery begins in."""
        return self.start // self.segment

    @property
    def last(self) -> int:
        """The number of the segment after which it is consistent."""
        return (self.end - 1) // self.segment


@dataclass
class BaseManifest:
    """All of it; it is encrypted, since it has names in it."""

    id: str
    stack: str
    taken_at: str
    """When it was consistent, by the server's clock, ISO 8601 in UTC: recovery goes to no instant before."""
    began_at: str
    server_version: int
    wal: Range
    superuser: str
    """The role that was made with the server."""
    database: str
    """The stack's."""
    base: list[Part]
    """One tar file, in parts."""
    anchor: dict[str, Any] | None = None
    """Where the audit trail of that database ended when it began."""
    format: int = FORMAT
    kind: str = PHYSICAL

    @property
    def parts(self) -> list[Part]:
        """All parts but the manifest's own."""
        return self.base

    @property
    def major(self) -> int:
        """The version of PostgreSQL that it is of, and no other can start."""
        return self.server_version // 10_000

    def as_json(self) -> bytes:
        """The manifest as it is encrypted."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def read(cls, text: bytes) -> "BaseManifest":
        """
        :raises BadBackup: where it is no manifest of a format that is known here
        """
        try:
            found = json.loads(text)
            if (found["format"], found["kind"]) != (FORMAT, PHYSICAL):
                raise BadBackup(f"{MANIFEST}: format {found['format']}, {found['kind']}, isn't read here")
            found["base"] = [Part(**part) for part in found["base"]]
            found["wal"] = Range(**found["wal"])
            return cls(**found)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadBackup(f"{MANIFEST}: is no manifest of a physical backup") from None

    def summary(self, own: Part) -> Summary:
        """The summary of it, where the manifest itself is the part `own`."""
        parts = [*self.base, own]
        return Summary(
            id=self.id,
            stack=self.stack,
            taken_at=self.taken_at,
            server_version=self.server_version,
            stored_bytes=sum(part.bytes for part in parts),
            contents_bytes=sum(part.contents_bytes for part in self.base),
            tables=0,
            rows=0,
            files=None,
            manifest_sha256=own.sha256,
            parts={part.name: (part.bytes, part.sha256) for part in parts},
            kind=PHYSICAL,
            wal=asdict(self.wal),
        )


def part(number: int) -> str:
    """The name of a part of the files."""
    return f"{BASE}{number:06}.age"

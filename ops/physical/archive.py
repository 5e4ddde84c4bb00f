"""WAL beside the backups: `wal/<system identifier>/<name>-<hash>.age`, each file sealed by itself.

The first half of the SHA-256 of what is in it is part of the name: so a writer that can't read sees in a list whether
something is there already, and whether it is the same.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from declared.backups import WAL
from ops.backups import sealing
from ops.backups.errors import BackupError, BadBackup
from ops.backups.places import Place
from ops.physical import segments

STORED = re.compile(r"(?P<name>[0-9A-F]{24}|[0-9A-F]{8}\.history)-(?P<hash>[0-9a-f]{32})\.age")


@dataclass
class Archive:
    """The WAL of one server, in a place."""

    place: Place
    system: str

    @property
    def folder(self) -> str:
        """Where it is in the place."""
        return f"{WAL}/{self.system}"

    @property
    def label(self) -> str:
        return f"{self.place.label.rstrip('/')}/{self.folder}"

    @cached_property
    def stored(self) -> dict[str, str]:
        """Name to hash of what is there; listed once, and kept up by what is stored here."""
        return dict(self._listed())

    def _listed(self) -> Iterator[tuple[str, str]]:
        for found in sorted(self.place.names(self.folder)):
            if match := STORED.fullmatch(found):
                yield match["name"], match["hash"]

    @property
    def names(self) -> list[str]:
        """The segments, in order."""
        return sorted(name for name in self.stored if segments.SEGMENT.fullmatch(name))

    def store(self, path: Path, recipients: Sequence[Any]) -> bool:
        """A file of WAL, unless it is there already; whether it wasn't.

        :raises BackupError: where another content of it is there
        """
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()[:32]
        if (there := self.stored.get(path.name)) == digest:
            return False
        if there is not None:
            raise BackupError(
                f"WAL {path.name}: {self.label} has another content of it, of a copy of this server; "
                "nothing was written over it: archive this server to another place"
            )
        blocks = (data[at : at + sealing.BLOCK] for at in range(0, len(data), sealing.BLOCK))
        sealing.seal(self.place, self.folder, f"{path.name}-{digest}.age", blocks, recipients)
        self.stored[path.name] = digest
        return True

    def content(self, name: str, identities: Sequence[Any]) -> bytes:
        """What is in a file of WAL.

        :raises BadBackup: where it was changed, or none of the identities opens it
        """
        digest = self.stored[name]
        try:
            data = b"".join(sealing.opened(self.place, self.folder, f"{name}-{digest}.age", identities))
        except BadBackup as error:
            raise BadBackup(f"WAL {error}") from None
        if hashlib.sha256(data).hexdigest()[:32] != digest:
            raise BadBackup(f"WAL {name}: holds something else than its name says")
        return data

    def histories(self, identities: Sequence[Any]) -> dict[int, str]:
        """Timeline to the text that says where it comes from."""
        return {
            int(match["timeline"], 16): self.content(name, identities).decode(errors="replace")
            for name in self.stored
            if (match := segments.HISTORY.fullmatch(name))
        }

    def discard_before(self, number: int, size: int) -> int:
        """Remove the segments before one, where the place lets it; how many there were."""
        old = [name for name in self.names if segments.numbered(name, size)[1] < number]
        for name in old:
            self.place.discard(f"{self.folder}/{name}-{self.stored[name]}.age")
        return len(old)


def systems(place: Place) -> list[str]:
    """The servers whose WAL is in a place."""
    return sorted({name.partition("/")[0] for name in place.names(WAL)})

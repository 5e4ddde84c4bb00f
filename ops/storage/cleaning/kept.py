"""What the object store holds beyond what rows of storage.objects say; it counts too, for who pays for the folder."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class KeyParts(NamedTuple):
    """The storage bucket, the name and the version that a key is made of."""

    bucket: str
    name: str
    version: str


def key_parts(key: str, prefix: str) -> KeyParts | None:
    """What a key below a prefix is made of; None where the key is none of the Storage API's."""
    bucket, _, rest = key.removeprefix(prefix).partition("/")
    name, _, version = rest.rpartition("/")
    return KeyParts(bucket, name, version) if bucket and name and version else None


@dataclass
class Kept:
    """Bytes by folder and bucket, as it is written to the database."""

    bytes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, where: KeyParts | None, size: int) -> None:
        """Note a difference: less than 0 where a row says too much of its file."""
        # What is in no bucket is nobody's.
        if where and size:
            self.bytes[where.name.partition("/")[0], where.bucket] += size

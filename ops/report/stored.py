"""What is stored, by bucket and by how much people store. Nobody is named."""

from collections.abc import Sequence
from dataclasses import dataclass

from declared.health import GIB, MIB
from ops.report.model import Subject

NOBODY = "00000000-0000-0000-0000-000000000000"
# From so many bytes on.
CLASSES = (
    ("up to 1 MiB", 0),
    ("up to 100 MiB", MIB),
    ("up to 1 GiB", 100 * MIB),
    ("up to 10 GiB", GIB),
    ("more than 10 GiB", 10 * GIB),
)
APP = "the app itself"
REPORT = "select user_id::text, bucket_id, objects, bytes, kept_bytes from ops.storage_report()"
Row = tuple[str, str, int, int, int]


@dataclass(frozen=True)
class BucketUse:
    """A storage bucket."""

    bucket: str
    objects: int
    bytes: int
    kept_bytes: int
    """Of files that are deleted and kept for a while."""


@dataclass(frozen=True)
class PersonClass:
    """The people who store about as much."""

    name: str
    people: int
    bytes: int
    """Of all of them together, with what is kept."""
    share: float
    """Of all that is stored."""


@dataclass(frozen=True)
class Stored:
    """All of it."""

    bytes: int
    buckets: list[BucketUse]
    classes: list[PersonClass]


def read(subject: Subject) -> Stored:
    """
    :raises CommandError: where the database can't be reached
    """
    with subject.monitor() as connection:
        return of(connection.execute(REPORT).fetchall())


def of(rows: Sequence[Row]) -> Stored:
    """What rows of person, bucket, objects, bytes and kept bytes come to."""
    buckets: dict[str, list[int]] = {}
    people: dict[str, int] = {}
    for person, bucket, *sums in rows:
        buckets[bucket] = [a + b for a, b in zip(buckets.get(bucket, [0, 0, 0]), sums, strict=True)]
        people[person] = people.get(person, 0) + sums[1] + sums[2]
    total = sum(people.values())
    own = people.pop(NOBODY, 0)
    classes = [_class(number, people, total) for number in range(len(CLASSES))]
    if own:
        classes.append(PersonClass(APP, 0, own, own / total))
    uses = [BucketUse(name, *sums) for name, sums in buckets.items()]
    return Stored(total, sorted(uses, key=lambda each: (-each.bytes, each.bucket)), classes)


def _class(number: int, people: dict[str, int], total: int) -> PersonClass:
    name, least = CLASSES[number]
    most = CLASSES[number + 1][1] if number + 1 < len(CLASSES) else None
    found = [each for each in people.values() if each > least - (least == 0) and (most is None or each <= most)]
    return PersonClass(name, len(found), sum(found), sum(found) / total if total else 0.0)

"""Listing a bucket's versions without copying the bytes of all its objects, which moto does for each request.

moto changes a flag on what it lists (`is_latest`), so each has to be an object of its own; its bytes needn't be.
"""

from typing import Any

from moto.s3.models import FakeKey


def _beside(self: FakeKey, memo: dict[int, Any]) -> FakeKey:
    made = FakeKey.__new__(FakeKey)
    made.__dict__.update(self.__dict__)
    return made


def install() -> None:
    """Puts the copy into moto's keys; once per process."""
    FakeKey.__deepcopy__ = _beside

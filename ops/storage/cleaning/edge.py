"""The CDN as the cleaner sees it: what was deleted must not be answered from an edge's memory."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import uuid4

from ops.storage.cleaning.files import batched

# So many objects of one folder, and the folder is invalidated instead of each of them.
MANY = 10
# CloudFront takes so many paths in progress at a time; one with a star counts as 15 files, and costs as one path.
PATHS = 1000
# What every caller spells alike: CloudFront keeps one copy for each spelling that it was asked in.
PLAIN = re.compile(r"[A-Za-z0-9_./-]*")


@dataclass(frozen=True)
class Edge:
    """One CloudFront distribution, whose origin path is the tenant."""

    client: Any
    distribution: str
    served: frozenset[str] | None = None
    """The buckets that it serves; None is all."""

    def forget(self, objects: Iterable[tuple[str, str]]) -> int:
        """Invalidate all versions of these objects, by bucket and name; how many paths that took."""
        wanted = sorted({each for each in objects if self.served is None or each[0] in self.served})
        paths = list[str]()
        for folder, members in groupby(wanted, key=lambda each: f"{each[0]}/{each[1].partition('/')[0]}"):
            patterns = sorted({_pattern(f"{bucket}/{name}") for bucket, name in members})
            paths += [_pattern(folder)] if len(patterns) > MANY else patterns
        for batch in batched(paths, PATHS):
            self._invalidate(batch)
        return len(paths)

    def forget_bucket(self, bucket: str) -> int:
        """Invalidate everything of one bucket; how many paths that took."""
        self._invalidate([_pattern(bucket)])
        return 1

    def _invalidate(self, paths: list[str]) -> None:
        self.client.create_invalidation(
            DistributionId=self.distribution,
            InvalidationBatch={
                "Paths": {"Quantity": len(paths), "Items": paths},
                "CallerReference": str(uuid4()),
            },
        )


def _pattern(path: str) -> str:
    """All that lies below a path, in any spelling: a name with another character is cut off before it."""
    plain = PLAIN.match(path)
    assert plain is not None
    return f"/{path}/*" if plain[0] == path else f"/{plain[0]}*"

"""The CDN as the cleaner sees it: what was deleted must not be answered from an edge's memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from ops.storage.cleaning.files import batched

# So many objects of one folder, and the folder is forgotten instead of each of them.
MANY = 10
# CloudFront takes so many paths in progress at a time; one with a star counts as 15 files, and costs as one path.
PATHS = 1000


@dataclass(frozen=True)
class Edge:
    """One CloudFront distribution, whose origin path is the tenant."""

    client: Any
    distribution: str

    def forget(self, objects: Iterable[tuple[str, str]]) -> None:
        """Invalidate all versions of these objects, given by bucket and name."""
        paths = list[str]()
        for folder, members in groupby(sorted(objects), key=lambda each: f"{each[0]}/{each[1].partition('/')[0]}"):
            names = [f"/{quote(f'{bucket}/{name}')}/*" for bucket, name in members]
            paths += [f"/{quote(folder)}/*"] if len(names) > MANY else names
        for batch in batched(paths, PATHS):
            self.client.create_invalidation(
                DistributionId=self.distribution,
                InvalidationBatch={
                    "Paths": {"Quantity": len(batch), "Items": batch},
                    "CallerReference": str(uuid4()),
                },
            )

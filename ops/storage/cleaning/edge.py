"""The CDN as the cleaner sees it: what is served no longer must not be answered from an edge's memory.

By the Amazon CloudFront developer guide ("Concurrent invalidation request maximum", "Pay for file invalidation"): of
a distribution 3,000 files and 15 paths with a wildcard may be in progress at a time; each path costs the same, whatever
it stands for. So a file is a path of its own, and many of one folder are one.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from botocore.exceptions import ClientError
from visual_prompt_builder.names import spelled

from declared.errors import UserError
from ops.storage.cleaning.files import batched
from ops.storage.cleaning.kept import KeyParts

# So many objects of one folder, and the folder is invalidated instead of each of them.
MANY = 10
FILES, WILDCARDS = 3000, 15
FULL = "TooManyInvalidationsInProgress"
# What every caller spells alike: CloudFront keeps one copy for each spelling that it was asked in.
PLAIN = re.compile(r"[A-Za-z0-9_./ -]*")


class EdgeError(UserError):
    """The CDN takes nothing now; the text is one line."""


@dataclass(frozen=True)
class Edge:
    """One CloudFront distribution, whose origin path is the tenant."""

    client: Any
    distribution: str

    def forget(self, versions: Collection[KeyParts]) -> tuple[int, set[KeyParts]]:
        """Invalidate these versions, as many as fit beside what is in progress: how many paths that took, and which.

        What has neither a name nor a version is all of its bucket.
        """
        paths = dict(_paths(versions))
        sent = self._send(paths.values())
        return len(sent), {version for version, path in paths.items() if path in sent}

    def forget_named(self, bucket: str, name: str | None) -> int:
        """Invalidate everything of one bucket, or all versions of one object; how many paths that took.

        :raises EdgeError: where as much is in progress as CloudFront takes
        """
        sent = self._send([_below(f"{bucket}/{name}" if name else bucket)])
        if not sent:
            raise EdgeError("CloudFront has as many invalidations in progress as it takes; try it again in a minute")
        return len(sent)

    def _send(self, paths: Iterable[str]) -> set[str]:
        """Those of the paths that CloudFront takes now."""
        wanted = sorted(set(paths))
        wild = [path for path in wanted if path.endswith("*")]
        sent = self._fit(wild[:WILDCARDS])
        for batch in batched((path for path in wanted if not path.endswith("*")), FILES):
            sent |= self._fit(batch)
        return sent

    def _fit(self, paths: list[str]) -> set[str]:
        while paths:
            try:
                self._invalidate(paths)
            except ClientError as error:
                if error.response["Error"]["Code"] != FULL:
                    raise
                paths = paths[: len(paths) // 2]
            else:
                break
        return set(paths)

    def _invalidate(self, paths: list[str]) -> None:
        self.client.create_invalidation(
            DistributionId=self.distribution,
            InvalidationBatch={
                "Paths": {"Quantity": len(paths), "Items": paths},
                "CallerReference": str(uuid4()),
            },
        )


def _paths(versions: Iterable[KeyParts]) -> Iterator[tuple[KeyParts, str]]:
    """Each version with the path that stands for it."""
    for folder, group in groupby(sorted(set(versions)), key=_folder):
        members = list(group)
        paths = {each: _path(each) for each in members}
        many = len(set(paths.values())) > MANY
        yield from ((each, _below(folder) if many else path) for each, path in paths.items())


def _folder(version: KeyParts) -> str:
    return f"{version.bucket}/{version.name.partition('/')[0]}"


def _path(version: KeyParts) -> str:
    if not version.version:
        return _below(version.bucket)
    whole = "/".join(version)
    return f"/{spelled(whole)}" if PLAIN.fullmatch(whole) else _below(f"{version.bucket}/{version.name}")


def _below(path: str) -> str:
    """All that lies below a path, in any spelling: a name with another character is cut off before it."""
    plain = PLAIN.match(path)
    assert plain is not None
    return f"/{quote(path)}/*" if plain[0] == path else f"/{quote(plain[0])}*"

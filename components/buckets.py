"""The buckets that users see: rows of `storage.buckets`, which the Storage API goes by."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

import pg
from components.base import Component
from declared.settings import BucketSettings


@dataclass(frozen=True, kw_only=True)
class BucketsArgs:
    buckets: tuple[BucketSettings, ...]


class Buckets(Component):
    """The rows alone, where the files under them are a platform's."""

    def __init__(self, name: str, args: BucketsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"buckets": sorted(bucket.id for bucket in args.buckets)}, opts)
        self.final = rows(self, name, args.buckets, ())
        self.register_outputs({"buckets": sorted(bucket.id for bucket in args.buckets)})


def rows(
    parent: Component, name: str, buckets: Sequence[BucketSettings], rows_after: Sequence[pulumi.Resource]
) -> list[pg.Bucket]:
    """A row for each bucket, as children of a component."""
    return [
        pg.Bucket(
            f"{name}-{bucket.id}",
            bucket=bucket.id,
            public=bucket.public,
            fileSizeLimit=bucket.file_size_limit,
            allowedMimeTypes=list(bucket.allowed_mime_types) or None,
            opts=parent.child(*rows_after),
        )
        for bucket in buckets
    ]

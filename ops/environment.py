"""A provisioned environment as the commands beside Pulumi see it: its outputs, its object store, its database."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
from visual_prompt_builder.names import Bucket
from visual_prompt_builder.signing import Store

from ops import outputs
from ops.storage.cleaning.edge import Edge
from run import engine


@dataclass(frozen=True)
class Environment:
    """The outputs of a stack, secrets too."""

    stack: str
    outputs: dict[str, Any]

    @classmethod
    def of(cls, stack: str) -> "Environment":
        """
        :raises CommandError: where there is no such stack, or nothing in it yet
        """
        return cls(stack, outputs.connectable(stack))

    def output(self, name: str) -> Any:
        return outputs.needed(self.stack, self.outputs, name)

    @property
    def store(self) -> Store:
        """The object bucket, with the target's key, or else the one that boto3 finds."""
        return self._store(str(self.output("object_bucket")))

    @property
    def s3(self) -> Any:
        """A client of S3 with the same key, for another bucket."""
        return self._store("").s3

    def _store(self, bucket: str) -> Store:
        aws = engine.target(self.stack).aws(self.stack)
        return Store(
            bucket=bucket,
            region=engine.region(self.stack),
            endpoint=aws.endpoint,
            access_key=aws.access_key,
            secret_key=aws.secret_key,
        )

    @property
    def edge(self) -> Edge:
        """The CDN."""
        # CloudFront has one address for all regions.
        return Edge(self.client("cloudfront", "us-east-1"), str(self.output("cdn_distribution")))

    def client(self, service: str, region: str = "") -> Any:
        """A client of another service at AWS, with the object bucket's key, and in its region unless one is named."""
        store = self.store
        return boto3.client(
            service,
            region_name=region or store.region,
            endpoint_url=store.endpoint,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            aws_session_token=store.session_token,
        )

    def bucket(self, id: str) -> Bucket:
        return Bucket.declared(self.output("storage_buckets"), id)

    @property
    def retention(self) -> dict[str, timedelta]:
        """How long each bucket keeps an object, where it doesn't keep it until it is deleted."""
        days: dict[str, int] = self.output("storage_retention_days")
        return {bucket: timedelta(days=number) for bucket, number in days.items()}

    @property
    def admin_url(self) -> str:
        return str(self.output("admin_url"))

    @property
    def cleaner_url(self) -> str:
        return str(self.output("cleaner_url"))

    @property
    def monitor_url(self) -> str:
        return str(self.output("monitor_url"))

"""The CDN in front of the object bucket: who may read what through it, how long it keeps it, who signs its URLs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import cloudfront, cloudwatch

import pg
from components.base import Component
from components.documents import PolicyStatement
from components.privatebucket import PrivateBucket
from declared import objectlayout
from declared.settings import BucketSettings

ORIGIN = "objects"
YEAR = 365 * 24 * 3600
# North America and Europe: the cheapest class.
PRICE_CLASS = "PriceClass_100"
# AWS' own policy Managed-CORS-S3Origin: what the answer to a preflight depends on reaches S3.
CORS_TO_S3 = "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf"
# CloudFront is a global service; its logs and names live there, wherever the bucket is.
HOME = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class CdnArgs:
    origin: PrivateBucket
    logs: PrivateBucket
    logs_policy: pulumi.Resource
    """What lets the logs be delivered; AWS would add to the bucket's policy what it misses there."""
    buckets: tuple[BucketSettings, ...]
    clean_tag: tuple[str, str]
    """What an object is tagged with once it was scanned clean."""
    keys: Sequence[str]
    """Names of the keys that signed URLs are accepted from; the first is the one to sign with."""
    cors_origins: tuple[str, ...] = ()
    name: str | None = None
    """What it is called at AWS, so that there is no second one beside it; None where that does no harm."""


class Cdn(Component):
    """One distribution: public buckets for everybody, private ones by signed URL, all others not at all."""

    domain: pulumi.Output[str]
    distribution: pulumi.Output[str]
    """Its id, by which what it remembers is invalidated."""
    arn: pulumi.Output[str]
    signing_key: pulumi.Output[dict[str, str]]
    """Id and private key (PEM) of the key that signs; secret."""

    def __init__(self, name: str, args: CdnArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"keys": list(args.keys), "corsOrigins": list(args.cors_origins)}, opts)
        self._buckets = tuple(bucket for bucket in args.buckets if bucket.cdn)
        self._origin, self._clean_tag = args.origin, args.clean_tag
        distribution = self._distribution(name, args)
        self.domain = distribution.domain_name
        self.distribution = distribution.id
        self.arn = distribution.arn
        self._logged(name, args)
        self.register_outputs({"domain": self.domain})

    def _distribution(self, name: str, args: CdnArgs) -> cloudfront.Distribution:
        access = cloudfront.OriginAccessControl(
            f"{name}-access",
            name=args.name,
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=self.child(),
        )
        shared = self._behavior(name, args)
        signed = {**shared, "trusted_key_groups": [self._keys(name, args).id]}
        return cloudfront.Distribution(
            f"{name}-distribution",
            comment=f"Objects of {pulumi.get_project()} {pulumi.get_stack()}",
            enabled=True,
            is_ipv6_enabled=True,
            http_version="http2and3",
            price_class=PRICE_CLASS,
            origins=[
                {
                    "origin_id": ORIGIN,
                    "domain_name": args.origin.s3_bucket.bucket_regional_domain_name,
                    "origin_path": f"/{objectlayout.TENANT}",
                    "origin_access_control_id": access.id,
                }
            ],
            # What no bucket's behaviour takes needs a signature here and finds no right to read at S3.
            default_cache_behavior=signed,
            ordered_cache_behaviors=[
                {**(shared if bucket.public else signed), "path_pattern": objectlayout.cdn_pattern(bucket.id)}
                for bucket in self._buckets
            ],
            restrictions={"geo_restriction": {"restriction_type": "none"}},
            viewer_certificate={"cloudfront_default_certificate": True},
            opts=self.child(),
        )

    def _behavior(self, name: str, args: CdnArgs) -> dict[str, Any]:
        """How a file is served, signed or not."""
        return {
            "target_origin_id": ORIGIN,
            # A page that asks for http is sent to https: its own links are often written without a scheme.
            "viewer_protocol_policy": "redirect-to-https",
            # A page asks before it sends a header that isn't on every browser's list; S3 answers, by the bucket's CORS.
            "allowed_methods": ["GET", "HEAD", *(["OPTIONS"] if args.cors_origins else [])],
            "origin_request_policy_id": CORS_TO_S3 if args.cors_origins else None,
            "cached_methods": ["GET", "HEAD"],
            # Audio and images are compressed already, and a compressed answer has no byte ranges.
            "compress": False,
            "cache_policy_id": self._kept_for_ever(name).id,
            "response_headers_policy_id": self._headers(name, args.cors_origins).id,
        }

    def _kept_for_ever(self, name: str) -> cloudfront.CachePolicy:
        nothing = "none"
        return cloudfront.CachePolicy(
            f"{name}-cache",
            comment="A key ends with the version of its object: what is under it never changes",
            # The Storage API writes an hour into each object; without a minimum that would be the edge's limit too.
            min_ttl=YEAR,
            default_ttl=YEAR,
            max_ttl=YEAR,
            parameters_in_cache_key_and_forwarded_to_origin={
                "cookies_config": {"cookie_behavior": nothing},
                "headers_config": {"header_behavior": nothing},
                "query_strings_config": {"query_string_behavior": nothing},
            },
            opts=self.child(),
        )

    def _headers(self, name: str, origins: tuple[str, ...]) -> cloudfront.ResponseHeadersPolicy:
        # No Cache-Control: what stands here is added to errors too, and browsers would keep a 403 for as long.
        extra = {
            # A page of another site may play and show it, where it has the URL.
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return cloudfront.ResponseHeadersPolicy(
            f"{name}-headers",
            comment="Objects are shown and played, never run",
            security_headers_config={
                "content_security_policy": {
                    "content_security_policy": "default-src 'none'; sandbox",
                    "override": True,
                },
                "content_type_options": {"override": True},
                "frame_options": {"frame_option": "DENY", "override": True},
                "referrer_policy": {"referrer_policy": "no-referrer", "override": True},
                "strict_transport_security": {
                    "access_control_max_age_sec": 2 * YEAR,
                    "include_subdomains": True,
                    "override": True,
                },
            },
            custom_headers_config={
                "items": [{"header": header, "value": value, "override": True} for header, value in extra.items()]
            },
            cors_config=_cors(origins) if origins else None,
            opts=self.child(),
        )

    def _keys(self, name: str, args: CdnArgs) -> cloudfront.KeyGroup:
        pairs = {key: pg.KeyPair(f"{name}-pair-{key}", opts=self.child()) for key in args.keys}
        public = {
            key: cloudfront.PublicKey(f"{name}-key-{key}", encoded_key=pair.publicKey, opts=self.child())
            for key, pair in pairs.items()
        }
        first = args.keys[0]
        self.signing_key = pulumi.Output.secret(
            pulumi.Output.all(id=public[first].id, private_key=pairs[first].privateKey)
        )
        items = [key.id for key in public.values()]
        return cloudfront.KeyGroup(f"{name}-keys", name=args.name, items=items, opts=self.child())

    def _logged(self, name: str, args: CdnArgs) -> None:
        # CloudFront's older logs need a bucket with ACLs; this way needs a bucket policy.
        source = cloudwatch.LogDeliverySource(
            f"{name}-log-source", log_type="ACCESS_LOGS", resource_arn=self.arn, region=HOME, opts=self.child()
        )
        target = cloudwatch.LogDeliveryDestination(
            f"{name}-log-target",
            delivery_destination_configuration={"destination_resource_arn": args.logs.arn},
            output_format="json",
            region=HOME,
            opts=self.child(),
        )
        cloudwatch.LogDelivery(
            f"{name}-log",
            delivery_source_name=source.name,
            delivery_destination_arn=target.arn,
            region=HOME,
            opts=self.child(args.logs_policy),
        )

    def may_read(self) -> PolicyStatement:
        """Lets this distribution, and no other of anybody's, read what is scanned clean in its buckets."""
        name, value = self._clean_tag
        return {
            "Sid": "CdnReads",
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": [self._origin.below(objectlayout.prefix(bucket.id)) for bucket in self._buckets],
            "Condition": {"StringEquals": {"aws:SourceArn": self.arn, f"s3:ExistingObjectTag/{name}": value}},
        }

    def statements(self) -> list[PolicyStatement]:
        """What the object bucket's policy says of the CDN."""
        return [self.may_read()] if self._buckets else []


def _cors(origins: tuple[str, ...]) -> dict[str, Any]:
    return {
        "access_control_allow_credentials": False,
        "access_control_allow_headers": {"items": ["Range"]},
        "access_control_allow_methods": {"items": ["GET", "HEAD"]},
        "access_control_allow_origins": {"items": list(origins)},
        "access_control_expose_headers": {"items": ["Accept-Ranges", "Content-Length", "Content-Range", "ETag"]},
        "access_control_max_age_sec": 3600,
        "origin_override": True,
    }

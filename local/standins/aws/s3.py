"""Buckets and the parts of their configuration."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from local.standins.aws.cloud import dns_suffix, partition
from local.standins.aws.resource import AutoName, AwsKind, Site, Values
from local.standins.aws.shapes import (
    FLAG,
    NUMBER,
    TEXT,
    Block,
    Field,
    Instant,
    JsonText,
    SetOf,
    TagMap,
    choice,
)
from plugin.server import CheckFailure, PluginError

BUCKET = Field(shape=TEXT, required=True, immutable=True)
OWNER = {"expectedBucketOwner": "it is deprecated, leave it out"}
_GONE = frozenset({"404", "NoSuchBucket"})
_DELETE_AT_ONCE = 1000

# https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints
HOSTED_ZONES = {
    "ap-northeast-1": "Z2M4EHUR26P7ZW",
    "ap-northeast-2": "Z3W03O7B5YMIYP",
    "ap-south-1": "Z11RGJOFQNVJUP",
    "ap-southeast-1": "Z3O0J2DXBE1FTB",
    "ap-southeast-2": "Z1WCIGYICN2BYD",
    "ca-central-1": "Z1QDHH18159H29",
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-north-1": "Z3BAZG2TWCNX0D",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-west-2": "Z3GKZC51ZF0DB4",
    "eu-west-3": "Z3R1K369G5AVDG",
    "sa-east-1": "Z7KQH4QJS55SO",
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
}


def _use(name: str) -> str:
    return f"use aws.s3.{name} instead"


class S3Bucket(AwsKind):
    """A bucket with its tags. Everything else that can be set is a resource of its own."""

    token = "aws:s3/bucket:Bucket"
    service = "s3"
    noun = "bucket"
    gone = _GONE
    tagged = True
    auto_name = AutoName("bucket", "bucketPrefix", lower=True)
    properties: ClassVar = {
        "bucket": Field(shape=TEXT, computed=True, immutable=True),
        "bucketPrefix": Field(shape=TEXT, computed=True, immutable=True, unreported=True),
        "forceDestroy": Field(shape=FLAG, local=True, default=False),
        "objectLockEnabled": Field(shape=FLAG, computed=True, immutable=True),
    }
    outputs: ClassVar = {
        "arn": TEXT,
        "bucketDomainName": TEXT,
        "bucketRegion": TEXT,
        "bucketRegionalDomainName": TEXT,
        "hostedZoneId": TEXT,
    }
    refused: ClassVar = {
        "accelerationStatus": _use("BucketAccelerateConfiguration"),
        "acl": _use("BucketAcl"),
        "bucketNamespace": "leave it out, buckets are in the global namespace",
        "corsRules": _use("BucketCorsConfiguration"),
        "grants": _use("BucketAcl"),
        "lifecycleRules": _use("BucketLifecycleConfiguration"),
        "logging": _use("BucketLogging"),
        "objectLockConfiguration": _use("BucketObjectLockConfiguration"),
        "policy": _use("BucketPolicy"),
        "replicationConfiguration": _use("BucketReplicationConfig"),
        "requestPayer": _use("BucketRequestPaymentConfiguration"),
        "serverSideEncryptionConfiguration": _use("BucketServerSideEncryptionConfiguration"),
        "versioning": _use("BucketVersioning"),
        "website": _use("BucketWebsiteConfiguration"),
    }
    withheld = frozenset({"websiteDomain", "websiteEndpoint"})

    def faults(self, inputs: Values) -> list[CheckFailure]:
        name = inputs.get("bucket")
        if "bucket" in inputs and "bucketPrefix" in inputs:
            return [CheckFailure("bucketPrefix", "conflicts with bucket; give one of them")]
        if isinstance(name, str) and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
            rule = "must have 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit at both ends"
            return [CheckFailure("bucket", f"is {name!r}, but {rule}")]
        return []

    def make(self, site: Site, inputs: Values) -> str:
        name = AutoName("bucket", "bucketPrefix").given(inputs)
        if self._exists(site, name):
            # In us-east-1 AWS answers a second create by the owner with success: two stacks would share the bucket.
            advice = "choose another name, or take it in with `pulumi import`"
            raise PluginError(f"bucket {name}: bucket already exists (BucketAlreadyExists); {advice}")
        arguments: Values = {"Bucket": name}
        # The one region that AWS refuses as a constraint.
        if site.region != "us-east-1":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": site.region}
        if inputs.get("objectLockEnabled"):
            arguments["ObjectLockEnabledForBucket"] = True
        site.client.create_bucket(**arguments)
        # A create that fails leaves no state behind, so it must leave no bucket either.
        try:
            self._tag(site, name, self.all_tags(inputs))
        except Exception:
            site.client.delete_bucket(Bucket=name)
            raise
        return name

    def find(self, site: Site, id: str) -> Values | None:
        region = site.client.head_bucket(Bucket=id).get("BucketRegion") or site.region
        suffix = dns_suffix(region)
        return {
            "bucket": id,
            "arn": f"arn:{partition(region)}:s3:::{id}",
            "bucketDomainName": f"{id}.s3.{suffix}",
            "bucketRegion": region,
            "bucketRegionalDomainName": f"{id}.s3.{region}.{suffix}",
            "hostedZoneId": HOSTED_ZONES.get(region),
            "objectLockEnabled": self._locked(site, id),
            "tagsAll": self._tags(site, id),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        self._tag(site, id, self.all_tags(new))

    def remove(self, site: Site, id: str, state: Values) -> None:
        if state.get("forceDestroy"):
            self._empty(site, id)
        site.client.delete_bucket(Bucket=id)

    def _exists(self, site: Site, name: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            site.client.head_bucket(Bucket=name)
        except ClientError as error:
            return error.response["Error"]["Code"] not in self.gone
        return True

    def _locked(self, site: Site, name: str) -> bool:
        answer = _unless(site.client, "get_object_lock_configuration", "ObjectLockConfigurationNotFoundError", name)
        return bool(answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")

    def _tags(self, site: Site, name: str) -> Values:
        answer = _unless(site.client, "get_bucket_tagging", "NoSuchTagSet", name)
        tags: Values = TagMap().from_aws(answer.get("TagSet", []))
        return {key: value for key, value in tags.items() if not key.startswith("aws:")}

    def _tag(self, site: Site, name: str, tags: Values) -> None:
        if tags:
            site.client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": TagMap().to_aws(tags)})
        else:
            site.client.delete_bucket_tagging(Bucket=name)

    def _empty(self, site: Site, name: str) -> None:
        for batch in _versions(site.client, name):
            answer = site.client.delete_objects(Bucket=name, Delete={"Objects": batch, "Quiet": True})
            for failure in answer.get("Errors", []):
                where = f"{failure.get('Key')} ({failure.get('Code')})"
                raise PluginError(
                    f"bucket {name}: can't be emptied, {failure.get('Message')}: {where}; release it first"
                )


def _unless(client: Any, operation: str, absent: str, bucket: str) -> Values:
    from botocore.exceptions import ClientError

    try:
        answer: Values = getattr(client, operation)(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != absent:
            raise
        return {}
    return answer


def _versions(client: Any, bucket: str) -> Iterator[list[Values]]:
    """Every version and delete marker, in batches that the caller deletes before it asks for the next."""
    while True:
        # Always the first page: the marker of a later one is lost once the entry that it names is deleted.
        page = client.list_object_versions(Bucket=bucket, MaxKeys=_DELETE_AT_ONCE)
        entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not entries:
            return
        yield [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]


class BucketSetting(AwsKind):
    """A part of a bucket's configuration, which is put, read and removed as a whole; its id is the bucket."""

    service = "s3"
    put: ClassVar[str]
    get: ClassVar[str]
    drop: ClassVar[str]

    def pack(self, inputs: Values) -> Values:
        """The arguments of the put call, beside the bucket."""
        raise NotImplementedError

    def unpack(self, answer: Values) -> Values | None:
        """The properties in the answer of the get call."""
        raise NotImplementedError

    def subject(self, id: str) -> str:
        return f"{self.noun} of bucket {id}"

    def _label(self, urn: str, inputs: Values) -> str:
        return str(inputs["bucket"])

    def make(self, site: Site, inputs: Values) -> str:
        bucket: str = inputs["bucket"]
        getattr(site.client, self.put)(Bucket=bucket, **self.pack(inputs))
        return bucket

    def find(self, site: Site, id: str) -> Values | None:
        found = self.unpack(getattr(site.client, self.get)(Bucket=id))
        return None if found is None else {"bucket": id, **found}

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        self.make(site, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        getattr(site.client, self.drop)(Bucket=id)


class BucketVersioning(BucketSetting):
    """Whether a bucket keeps old versions. It can't be removed from a bucket, so removing it suspends it."""

    token = "aws:s3/bucketVersioning:BucketVersioning"
    noun = "versioning"
    gone = _GONE
    put, get = "put_bucket_versioning", "get_bucket_versioning"
    _shape = Block(
        {
            "status": Field(shape=choice("Enabled", "Suspended", "Disabled"), required=True),
            # `Enabled` takes a one-time code with every call, which `mfa` would hold.
            "mfaDelete": Field(shape=choice("Disabled"), computed=True, unreported=True, aws="MFADelete"),
        }
    )
    properties: ClassVar = {"bucket": BUCKET, "versioningConfiguration": Field(shape=_shape, required=True)}
    refused: ClassVar = {**OWNER, "mfa": "a one-time code can't be recorded, leave it out"}

    def pack(self, inputs: Values) -> Values:
        return {"VersioningConfiguration": self._shape.to_aws(inputs["versioningConfiguration"])}

    def unpack(self, answer: Values) -> Values | None:
        return {"versioningConfiguration": {"status": "Disabled", **self._shape.from_aws(answer)}}

    def make(self, site: Site, inputs: Values) -> str:
        bucket: str = inputs["bucket"]
        if inputs["versioningConfiguration"]["status"] != "Disabled":
            return super().make(site, inputs)
        status = site.client.get_bucket_versioning(Bucket=bucket).get("Status")
        if status:
            advice = "use Suspended"
            raise PluginError(f"{self.subject(bucket)}: can't go from {status} to Disabled (MalformedXML); {advice}")
        return bucket

    def remove(self, site: Site, id: str, state: Values) -> None:
        from botocore.exceptions import ClientError

        if state["versioningConfiguration"]["status"] == "Disabled":
            return
        try:
            site.client.put_bucket_versioning(Bucket=id, VersioningConfiguration={"Status": "Suspended"})
        except ClientError as error:
            # Under an object lock versioning stays on for good.
            if error.response["Error"]["Code"] != "InvalidBucketState":
                raise


class BucketServerSideEncryptionConfiguration(BucketSetting):
    """How a bucket encrypts what comes without a wish of its own."""

    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    noun = "encryption"
    gone = _GONE | {"ServerSideEncryptionConfigurationNotFoundError"}
    put, get, drop = "put_bucket_encryption", "get_bucket_encryption", "delete_bucket_encryption"
    _default = Block(
        {
            "sseAlgorithm": Field(shape=choice("AES256", "aws:kms", "aws:kms:dsse"), required=True, aws="SSEAlgorithm"),
            "kmsMasterKeyId": Field(aws="KMSMasterKeyID"),
        }
    )
    _rule = Block(
        {
            "applyServerSideEncryptionByDefault": Field(shape=_default),
            "bucketKeyEnabled": Field(shape=FLAG),
        },
        {"blockedEncryptionTypes": "leave it out, moto forgets it"},
    )
    properties: ClassVar = {"bucket": BUCKET, "rules": Field(shape=SetOf(_rule), required=True)}
    refused: ClassVar = OWNER

    def pack(self, inputs: Values) -> Values:
        return {"ServerSideEncryptionConfiguration": {"Rules": SetOf(self._rule).to_aws(inputs["rules"])}}

    def unpack(self, answer: Values) -> Values | None:
        return {"rules": SetOf(self._rule).from_aws(answer["ServerSideEncryptionConfiguration"]["Rules"])}


class BucketPublicAccessBlock(BucketSetting):
    """What keeps a bucket from being opened to the public."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    noun = "public access block"
    gone = _GONE | {"NoSuchPublicAccessBlockConfiguration"}
    put, get, drop = "put_public_access_block", "get_public_access_block", "delete_public_access_block"
    _flags = Block(
        {
            name: Field(shape=FLAG)
            for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        }
    )
    properties: ClassVar = {"bucket": BUCKET, **_flags.fields, "skipDestroy": Field(shape=FLAG, local=True)}

    def pack(self, inputs: Values) -> Values:
        flags = {name: bool(inputs.get(name)) for name in self._flags.fields}
        return {"PublicAccessBlockConfiguration": self._flags.to_aws(flags)}

    def unpack(self, answer: Values) -> Values | None:
        found: Values = self._flags.from_aws(answer["PublicAccessBlockConfiguration"])
        return found

    def remove(self, site: Site, id: str, state: Values) -> None:
        if not state.get("skipDestroy"):
            super().remove(site, id, state)


class BucketOwnershipControls(BucketSetting):
    """Whom the objects in a bucket belong to."""

    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    noun = "ownership controls"
    gone = _GONE | {"OwnershipControlsNotFoundError"}
    put, get, drop = (f"{verb}_bucket_ownership_controls" for verb in ("put", "get", "delete"))
    _ownership = choice("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
    _rule = Block({"objectOwnership": Field(shape=_ownership, required=True)})
    properties: ClassVar = {"bucket": BUCKET, "rule": Field(shape=_rule, required=True)}

    def pack(self, inputs: Values) -> Values:
        return {"OwnershipControls": {"Rules": [self._rule.to_aws(inputs["rule"])]}}

    def unpack(self, answer: Values) -> Values | None:
        return {"rule": self._rule.from_aws(answer["OwnershipControls"]["Rules"][0])}


class BucketPolicy(BucketSetting):
    """Who may do what with a bucket and its objects."""

    token = "aws:s3/bucketPolicy:BucketPolicy"
    noun = "bucket policy"
    gone = _GONE | {"NoSuchBucketPolicy"}
    put, get, drop = "put_bucket_policy", "get_bucket_policy", "delete_bucket_policy"
    properties: ClassVar = {"bucket": BUCKET, "policy": Field(shape=JsonText(), required=True)}

    def pack(self, inputs: Values) -> Values:
        return {"Policy": inputs["policy"]}

    def unpack(self, answer: Values) -> Values | None:
        return {"policy": answer["Policy"]}


_SIZES = {
    # moto forgets them.
    "objectSizeGreaterThan": Field(shape=NUMBER, unreported=True),
    "objectSizeLessThan": Field(shape=NUMBER, unreported=True),
    "prefix": Field(),
}
_TAG = Block({"key": Field(required=True), "value": Field(required=True)})
_FILTER = Block(
    {
        **_SIZES,
        "and": Field(shape=Block({**_SIZES, "tags": Field(shape=TagMap())})),
        "tag": Field(shape=_TAG),
    }
)
_NONCURRENT_DAYS = Field(shape=NUMBER, required=True)
_STORAGE_CLASS = Field(
    shape=choice("DEEP_ARCHIVE", "GLACIER", "GLACIER_IR", "INTELLIGENT_TIERING", "ONEZONE_IA", "STANDARD_IA"),
    required=True,
)
_LIFECYCLE_RULE = Block(
    {
        "id": Field(required=True, aws="ID"),
        "status": Field(shape=choice("Enabled", "Disabled"), required=True),
        "abortIncompleteMultipartUpload": Field(shape=Block({"daysAfterInitiation": Field(shape=NUMBER)})),
        "expiration": Field(
            shape=Block(
                {
                    "date": Field(shape=Instant()),
                    "days": Field(shape=NUMBER),
                    "expiredObjectDeleteMarker": Field(shape=FLAG),
                }
            )
        ),
        "filter": Field(shape=_FILTER),
        "noncurrentVersionExpiration": Field(
            shape=Block(
                {
                    "noncurrentDays": _NONCURRENT_DAYS,
                    "newerNoncurrentVersions": Field(shape=NUMBER, unreported=True),
                }
            )
        ),
        "noncurrentVersionTransitions": Field(
            shape=SetOf(
                Block(
                    {
                        "noncurrentDays": _NONCURRENT_DAYS,
                        "storageClass": _STORAGE_CLASS,
                        "newerNoncurrentVersions": Field(shape=NUMBER),
                    }
                )
            )
        ),
        "prefix": Field(),
        "transitions": Field(
            shape=SetOf(
                Block(
                    {
                        "storageClass": _STORAGE_CLASS,
                        "date": Field(shape=Instant()),
                        "days": Field(shape=NUMBER),
                    }
                )
            )
        ),
    }
)


class BucketLifecycleConfiguration(BucketSetting):
    """When objects move to cheaper storage, and when they go."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    noun = "lifecycle configuration"
    gone = _GONE | {"NoSuchLifecycleConfiguration"}
    put, get, drop = (
        "put_bucket_lifecycle_configuration",
        "get_bucket_lifecycle_configuration",
        "delete_bucket_lifecycle",
    )
    _rules = SetOf(_LIFECYCLE_RULE, key="id")
    _sizes = choice("all_storage_classes_128K", "varies_by_storage_class")
    properties: ClassVar = {
        "bucket": BUCKET,
        "rules": Field(shape=_rules),
        # How long the official plugin waits for AWS; there is nothing to wait for here.
        "timeouts": Field(shape=Block({"create": Field(), "update": Field()}), local=True),
        "transitionDefaultMinimumObjectSize": Field(shape=_sizes, computed=True, unreported=True),
    }
    refused: ClassVar = OWNER

    def faults(self, inputs: Values) -> list[CheckFailure]:
        return [] if inputs.get("rules") else [CheckFailure("rules", "must have at least one rule")]

    def pack(self, inputs: Values) -> Values:
        rules = self._rules.to_aws(inputs["rules"])
        for rule in rules:
            # AWS wants one of the two, even where a rule is for the whole bucket.
            if "Prefix" not in rule:
                rule.setdefault("Filter", {})
        size = inputs.get("transitionDefaultMinimumObjectSize")
        options = {"TransitionDefaultMinimumObjectSize": size} if size else {}
        return {"LifecycleConfiguration": {"Rules": rules}, **options}

    def unpack(self, answer: Values) -> Values | None:
        size = answer.get("TransitionDefaultMinimumObjectSize")
        found: Values = {"rules": self._rules.from_aws(answer["Rules"])}
        return {**found, "transitionDefaultMinimumObjectSize": size} if size else found


class BucketCorsConfiguration(BucketSetting):
    """Which sites may use a bucket from a browser."""

    token = "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration"
    noun = "CORS configuration"
    gone = _GONE | {"NoSuchCORSConfiguration"}
    put, get, drop = "put_bucket_cors", "get_bucket_cors", "delete_bucket_cors"
    _rules = SetOf(
        Block(
            {
                "allowedMethods": Field(shape=SetOf(choice("GET", "PUT", "POST", "DELETE", "HEAD")), required=True),
                "allowedOrigins": Field(shape=SetOf(TEXT), required=True),
                "allowedHeaders": Field(shape=SetOf(TEXT)),
                "exposeHeaders": Field(shape=SetOf(TEXT)),
                "id": Field(aws="ID"),
                "maxAgeSeconds": Field(shape=NUMBER),
            }
        )
    )
    properties: ClassVar = {"bucket": BUCKET, "corsRules": Field(shape=_rules, required=True)}
    refused: ClassVar = OWNER

    def pack(self, inputs: Values) -> Values:
        return {"CORSConfiguration": {"CORSRules": self._rules.to_aws(inputs["corsRules"])}}

    def unpack(self, answer: Values) -> Values | None:
        return {"corsRules": self._rules.from_aws(answer["CORSRules"])}


class BucketLogging(BucketSetting):
    """Where the log of a bucket's requests goes."""

    token = "aws:s3/bucketLogging:BucketLogging"
    noun = "logging"
    gone = _GONE
    put, get = "put_bucket_logging", "get_bucket_logging"
    _grantee = Block(
        {
            "type": Field(shape=choice("CanonicalUser", "AmazonCustomerByEmail", "Group"), required=True),
            "displayName": Field(computed=True),
            "emailAddress": Field(),
            "id": Field(aws="ID"),
            "uri": Field(aws="URI"),
        }
    )
    _grant = Block(
        {
            "grantee": Field(shape=_grantee, required=True),
            "permission": Field(shape=choice("FULL_CONTROL", "READ", "WRITE"), required=True),
        }
    )
    _date_source = Field(shape=choice("EventTime", "DeliveryTime"), required=True)
    _key_format = Block(
        {
            "partitionedPrefix": Field(shape=Block({"partitionDateSource": _date_source})),
            "simplePrefix": Field(shape=Block({})),
        }
    )
    _settings = Block(
        {
            "targetBucket": Field(required=True),
            "targetPrefix": Field(required=True),
            "targetGrants": Field(shape=SetOf(_grant)),
            # moto forgets it.
            "targetObjectKeyFormat": Field(shape=_key_format, unreported=True),
        }
    )
    properties: ClassVar = {"bucket": BUCKET, **_settings.fields}
    refused: ClassVar = OWNER

    def pack(self, inputs: Values) -> Values:
        return {"BucketLoggingStatus": {"LoggingEnabled": self._settings.to_aws(inputs)}}

    def unpack(self, answer: Values) -> Values | None:
        enabled = answer.get("LoggingEnabled")
        return None if enabled is None else self._settings.from_aws(enabled)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.put_bucket_logging(Bucket=id, BucketLoggingStatus={})


KINDS: tuple[type[AwsKind], ...] = (
    S3Bucket,
    BucketVersioning,
    BucketServerSideEncryptionConfiguration,
    BucketPublicAccessBlock,
    BucketOwnershipControls,
    BucketPolicy,
    BucketLifecycleConfiguration,
    BucketCorsConfiguration,
    BucketLogging,
)

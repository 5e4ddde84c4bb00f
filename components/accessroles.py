"""Who may touch objects at S3: a role each for the app's server, the Storage API, the scanner and the cleaner."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.alarms import Alarms
from components.base import Component
from components.documents import PolicyStatement, allow_statement, through
from components.privatebucket import PrivateBucket
from components.servicerole import trusted_role
from declared import objectlayout
from targets.found import Found


@dataclass(frozen=True, kw_only=True)
class AccessRolesArgs:
    bucket: PrivateBucket
    key_arn: pulumi.Input[str]
    cdn_arn: pulumi.Input[str]
    account: pulumi.Input[str]
    region: str
    alarms: Alarms
    trust: Mapping[str, tuple[str, ...]]
    """Who may take which role: services, and principals by their ARN."""
    found: Found
    """What is there already."""
    scanner_tags: bool = True
    """Whether the scanner tags what it has found clean; where GuardDuty scans, only GuardDuty does."""


class AccessRoles(Component):
    """Four roles, each taken by those whom the settings name, and by nobody else."""

    arns: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: AccessRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {}, opts)
        self._args = args
        rights = {"server": self._server(), "api": self._api(), "scanner": self._scanner(), "cleaner": self._cleaner()}
        self.arns = {
            role: trusted_role(
                self, f"{name}-{role}", role, args.trust.get(role, ()), args.found, args.account, granted
            )
            for role, granted in rights.items()
        }
        self.register_outputs({"arns": dict(self.arns)})

    def _server(self) -> list[PolicyStatement]:
        """Signs forms and addresses, and makes what was sent an object; it deletes nothing and sets no tags."""
        sent, tenant = f"{objectlayout.UPLOADS}/{objectlayout.TENANT}/", f"{objectlayout.TENANT}/"
        return [
            self._on_objects(
                sent,
                "AbortMultipartUpload",
                "GetObject",
                "GetObjectVersion",
                "ListMultipartUploadParts",
                "PutObject",
            ),
            self._on_objects(tenant, "AbortMultipartUpload", "GetObject", "PutObject"),
            # Without it S3 answers 403 for what isn't there.
            self._on_bucket("ListBucket"),
            self._with_key("Decrypt", "GenerateDataKey"),
        ]

    def _api(self) -> list[PolicyStatement]:
        """Everything with objects of its tenant, nothing with their old versions and the bucket's settings.

        What it copies and moves takes its tags along, the verdict of the same bytes too; it says none itself.
        """
        tenant = objectlayout.TENANT + "/"
        return [
            self._on_objects(
                tenant,
                "AbortMultipartUpload",
                "DeleteObject",
                "GetObject",
                "GetObjectTagging",
                "ListMultipartUploadParts",
                "PutObject",
                "PutObjectTagging",
            ),
            {
                **self._on_objects(tenant, "PutObjectTagging"),
                "Effect": "Deny",
                # Of a copy that takes tags along the request names none.
                "Condition": {"Null": {f"s3:RequestObjectTag/{objectlayout.SCAN_TAG}": "false"}},
            },
            self._on_bucket("ListBucket", "ListBucketMultipartUploads"),
            self._with_key("Decrypt", "GenerateDataKey"),
        ]

    def _scanner(self) -> list[PolicyStatement]:
        """Reads every upload, marks it, moves it out of reach, and notifies the alarm topic."""
        args = self._args
        return [
            self._on_objects(
                objectlayout.TENANT + "/",
                "DeleteObject",
                "DeleteObjectVersion",
                "GetObject",
                "GetObjectTagging",
                "GetObjectVersion",
                "GetObjectVersionTagging",
                *(("PutObjectTagging", "PutObjectVersionTagging") if args.scanner_tags else ()),
            ),
            # It reads there what a scanner noted that died before it could settle.
            self._on_objects(objectlayout.QUARANTINE + "/", "GetObject", "PutObject", "PutObjectTagging"),
            self._on_bucket("ListBucket", "ListBucketVersions"),
            self._with_key("Decrypt", "GenerateDataKey"),
            allow_statement("sns", ("Publish",), args.alarms.topic),
            through("sns", args.region, args.alarms.key, "Decrypt", "GenerateDataKey"),
        ]

    def _cleaner(self) -> list[PolicyStatement]:
        """Lists and deletes, and reads no object; the key is asked for when the parts of an upload are listed."""
        return [
            self._on_objects(
                "", "AbortMultipartUpload", "DeleteObject", "DeleteObjectVersion", "ListMultipartUploadParts"
            ),
            self._on_bucket("ListBucket", "ListBucketMultipartUploads", "ListBucketVersions"),
            self._with_key("Decrypt"),
            {
                "Effect": "Allow",
                "Action": ["cloudfront:CreateInvalidation"],
                "Resource": self._args.cdn_arn,
            },
        ]

    def _on_objects(self, path: str, *actions: str) -> PolicyStatement:
        return allow_statement("s3", actions, self._args.bucket.below(path))

    def _on_bucket(self, *actions: str) -> PolicyStatement:
        return allow_statement("s3", actions, self._args.bucket.arn)

    def _with_key(self, *actions: str) -> PolicyStatement:
        return through("s3", self._args.region, self._args.key_arn, *actions)

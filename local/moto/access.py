"""Whether a request may go through: bucket policy, public access block, object ownership and ACLs together.

As on the pages "How Amazon S3 authorizes a request", "Blocking public access to your Amazon S3 storage" and
"Controlling ownership of objects and disabling ACLs for your bucket". Users and roles of the bucket's own account are
allowed what nothing denies: identity policies are moto's business.
"""

import json
from collections.abc import Mapping
from typing import Any

from local.moto import public
from local.moto.errors import Refused
from local.moto.policy import ANONYMOUS, Request, Verdict, evaluate

# "The root principal in a bucket owner's AWS account can perform [these] even if their bucket policy explicitly denies
# the root principal's access" (API reference, PutBucketPolicy).
ROOT_ALWAYS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")
READ_BY_ACL = {"s3:ListBucket": "READ", "s3:GetObjectAcl": "READ_ACP", "s3:GetBucketAcl": "READ_ACP"}
WRITE_BY_ACL = ("s3:PutObject", "s3:DeleteObject")
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
NO_ACLS = "The bucket does not allow ACLs"


def policy_of(bucket: Any) -> dict[str, Any] | None:
    return json.loads(bucket.policy) if bucket.policy else None


def blocks(bucket: Any, setting: str) -> bool:
    return bool(bucket.public_access_block and getattr(bucket.public_access_block, setting))


def acls_disabled(bucket: Any) -> bool:
    return str(bucket.ownership_rule) == "BucketOwnerEnforced"


def allowed(bucket: Any, key: Any, request: Request) -> bool:
    policy = policy_of(bucket)
    principal = request.principal
    at_home = principal.account == bucket.account_id and not principal.service
    if at_home and principal.is_root and request.action in ROOT_ALWAYS:
        return True
    verdict = evaluate(policy, request) if policy else Verdict.SILENT
    # At home a policy only takes away; abroad it only gives.
    if verdict is Verdict.DENY or at_home:
        return verdict is not Verdict.DENY
    if policy and verdict is Verdict.ALLOW:
        # The setting leaves services and the own account their access.
        restricted = blocks(bucket, "restrict_public_buckets") and public.policy_is_public(policy)
        return bool(principal.service) or not restricted
    return principal == ANONYMOUS and _by_acl(bucket, key, request.action)


def _by_acl(bucket: Any, key: Any, action: str) -> bool:
    if acls_disabled(bucket) or blocks(bucket, "ignore_public_acls"):
        return False
    if action in ("s3:GetObject", "s3:GetObjectVersion"):
        return key is not None and _granted(key.acl, "READ")
    if action in WRITE_BY_ACL:
        return _granted(bucket.acl, "WRITE")
    if action in READ_BY_ACL:
        return _granted(key.acl if action == "s3:GetObjectAcl" and key else bucket.acl, READ_BY_ACL[action])
    return False


def _granted(acl: Any, permission: str) -> bool:
    return acl is not None and any(
        grantee.uri == EVERYBODY and {permission, "FULL_CONTROL"} & set(grant.permissions)
        for grant in acl.grants
        for grantee in grant.grantees
    )


def check_acl(bucket: Any, headers: Mapping[str, str], body: bytes) -> None:
    """Refuses the ACL that a request sets, in headers or (for ?acl) in its body."""
    if acls_disabled(bucket):
        granting = any(name.lower().startswith("x-amz-grant-") for name in headers)
        if body or granting or headers.get("x-amz-acl", "bucket-owner-full-control") != "bucket-owner-full-control":
            raise Refused("AccessControlListNotSupported", NO_ACLS)
    if blocks(bucket, "block_public_acls") and public.acl_is_public(headers, body):
        raise Refused("AccessDenied", "Access Denied: public ACLs are prevented by the BlockPublicAcls setting")


def check_policy(bucket: Any, policy: Mapping[str, Any]) -> None:
    if blocks(bucket, "block_public_policy") and public.policy_is_public(policy):
        raise Refused("AccessDenied", "Access Denied: public policies are prevented by the BlockPublicPolicy setting")

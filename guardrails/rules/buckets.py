"""Rules on buckets: those that the Storage API shows, and those at S3 under them."""

from collections.abc import Callable
from typing import Any

from guardrails.awspolicies import accounts, allowing, allows, anybody, denies_clear_text, ties
from guardrails.model import Check, Plan, Resource, Severity, is_, names, rule
from guardrails.values import actions, listed, statements

SHOWN, BUCKET = "pg:index:Bucket", "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
LOGGING, LOCK = (
    "aws:s3/bucketLogging:BucketLogging",
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
)
SWITCHES = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
# Pictures in which nothing runs; SVG isn't among them.
INERT = {"image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"}
DANGEROUS = ("s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutBucketPolicy", "s3:PutObjectAcl")
# The most that one request can store at S3, and the Storage API without parts: 5 GB.
LARGEST = 5 * 10**9
PRIVATE = "`components/privatebucket.py` makes buckets that have it"
MANUAL = "Supabase manual, Storage, File Limits"


@rule(
    "bucket-limits",
    Severity.high,
    SHOWN,
    "a storage bucket without a limit on size or type, or with one over 5 GB",
    "anybody who may upload fills it with anything",
    "set fileSizeLimit and allowedMimeTypes in database:buckets",
    MANUAL,
    "S3 manual, Uploading objects",
)
def bucket_limits(resource: Resource, plan: Plan) -> Check:
    size, types = resource.get("fileSizeLimit"), listed(resource.get("allowedMimeTypes"))
    anything = [each for each in types if "*" in str(each).partition("/")[0] or str(each).startswith("application/*")]
    limited = bool(size) and 0 < size <= LARGEST and bool(types) and not anything
    evidence = f"at most {size or 'any number of'} bytes of {names(types) or 'any type'}"
    return Check(limited, f"bucket {resource.get('bucket')} takes {evidence}")


@rule(
    "bucket-public",
    Severity.high,
    SHOWN,
    "a public storage bucket with more than pictures in it",
    "anybody reads its files by their names, and what runs in a page runs in the app's",
    "set public to false, or allow pictures alone (no SVG)",
    "AWS S3.2",
    "Supabase manual, Storage, Buckets",
)
def bucket_public(resource: Resource, plan: Plan) -> Check:
    if not resource.get("public"):
        return Check(True, f"bucket {resource.get('bucket')} is private")
    more = {*listed(resource.get("allowedMimeTypes"))} - INERT
    kinds = names(more) or ("pictures alone" if resource.get("allowedMimeTypes") else "any type")
    return Check(kinds == "pictures alone", f"bucket {resource.get('bucket')} is public and takes {kinds}")


def _one(resource: Resource, plan: Plan, type: str, holds: Callable[[Resource], Check], lacks: str) -> Check:
    """What the bucket's setting of a type says."""
    found = plan.settings(type, "bucket", resource, "bucket")
    return holds(found[0]) if found else Check(False, lacks)


@rule(
    "s3-public-access-block",
    Severity.critical,
    BUCKET,
    "an S3 bucket that could be made public",
    "one policy or access list opens it",
    PRIVATE,
    "AWS S3.8",
    "AWS S3.2",
    whole=True,
)
def s3_public_access_block(resource: Resource, plan: Plan) -> Check:
    def closed(block: Resource) -> Check:
        off = [switch for switch in SWITCHES if block.get(switch) is not True]
        return Check(not off, f"off: {names(off)}" if off else "all four switches are on")

    return _one(resource, plan, BLOCK, closed, "it has no public access block")


@rule(
    "s3-acl",
    Severity.high,
    (BUCKET, "aws:s3/bucketAcl:BucketAcl"),
    "an S3 bucket with an access list that lets others in",
    "what it lets in, no policy shows",
    "take `acl` away",
    "AWS S3.12",
)
def s3_acl(resource: Resource, plan: Plan) -> Check:
    acl = resource.get("acl")
    return Check(acl in (None, "private", "log-delivery-write"), f"acl is {acl or 'not set'}")


@rule(
    "s3-ownership",
    Severity.medium,
    BUCKET,
    "an S3 bucket whose objects can have access lists of their own",
    "who uploads one decides who reads it",
    PRIVATE,
    "AWS S3.12",
    whole=True,
)
def s3_ownership(resource: Resource, plan: Plan) -> Check:
    return _one(
        resource,
        plan,
        OWNERSHIP,
        lambda setting: is_(setting, "BucketOwnerEnforced", "rule", "objectOwnership"),
        "it has no ownership controls",
    )


@rule(
    "s3-policy-open",
    Severity.critical,
    (POLICY, BUCKET),
    "an S3 bucket's policy that lets anybody in, or another account change who gets in",
    "who knows its name reads or writes it",
    "name a principal, or narrow it by a condition",
    "AWS S3.3",
    "AWS S3.2",
    "AWS S3.6",
)
def s3_policy_open(resource: Resource, plan: Plan) -> Check | None:
    document = resource.get("policy")
    if document is None and resource.type == BUCKET:
        return None
    found = statements(document)
    # A service is bound by its condition; an account can be anybody's.
    open_ = [
        str(each.get("Sid", "without Sid"))
        for each in allowing(document)
        if (anybody(each) and not ties(each)) or (accounts(each) and allows(each, DANGEROUS))
    ]
    return Check(not open_, f"open statements: {names(open_)}" if open_ else f"{len(found)} statements, none open")


@rule(
    "s3-tls",
    Severity.high,
    BUCKET,
    "an S3 bucket that answers requests without TLS",
    "objects and signatures cross the network in clear text",
    PRIVATE,
    "AWS S3.5",
    whole=True,
)
def s3_tls(resource: Resource, plan: Plan) -> Check:
    def denies(policy: Resource) -> Check:
        found = [each for each in statements(policy.get("policy")) if _denies_clear_text(each)]
        return Check(bool(found), f"statement {found[0].get('Sid')}" if found else "no statement denies it")

    return _one(resource, plan, POLICY, denies, "it has no policy")


def _denies_clear_text(statement: dict[str, Any]) -> bool:
    resources = listed(statement.get("Resource"))
    # Of the bucket itself and of its objects.
    objects = [each for each in resources if isinstance(each, str) and each.endswith("/*")]
    whole = "*" in resources or (len(resources) > 1 and len(objects) < len(resources))
    return denies_clear_text(statement) and whole and {"s3:*", "*"} & {*map(str.lower, actions(statement))} != set()


@rule(
    "s3-encryption",
    Severity.high,
    BUCKET,
    "an S3 bucket without encryption of its own",
    "nothing says by which key its objects are encrypted",
    PRIVATE,
    "AWS S3.17",
    whole=True,
)
def s3_encryption(resource: Resource, plan: Plan) -> Check:
    def encrypts(setting: Resource) -> Check:
        found = [
            (each or {}).get("applyServerSideEncryptionByDefault", {}).get("sseAlgorithm")
            for each in listed(setting.get("rules"))
        ]
        good = bool(found) and {*found} <= {"AES256", "aws:kms", "aws:kms:dsse"}
        return Check(good, f"encrypted by {names(found) or 'nothing'}")

    return _one(resource, plan, ENCRYPTION, encrypts, "it has no encryption")


@rule(
    "s3-versioning",
    Severity.medium,
    BUCKET,
    "an S3 bucket without versions",
    "an overwrite or a delete can't be taken back",
    PRIVATE,
    "AWS S3.14",
    whole=True,
)
def s3_versioning(resource: Resource, plan: Plan) -> Check:
    return _one(
        resource,
        plan,
        VERSIONING,
        lambda setting: is_(setting, "Enabled", "versioningConfiguration", "status"),
        "it has no versioning",
    )


@rule(
    "s3-lifecycle",
    Severity.medium,
    BUCKET,
    "an S3 bucket without an enabled lifecycle rule",
    "unfinished uploads and old versions stay, and are paid for, for ever",
    PRIVATE,
    "AWS S3.13",
    "AWS S3.10",
    whole=True,
)
def s3_lifecycle(resource: Resource, plan: Plan) -> Check:
    def ends(setting: Resource) -> Check:
        on = [str(each.get("id")) for each in listed(setting.get("rules")) if each.get("status") == "Enabled"]
        return Check(bool(on), f"enabled: {names(on) or 'none'}")

    return _one(resource, plan, LIFECYCLE, ends, "it has no lifecycle")


@rule(
    "s3-access-log",
    Severity.medium,
    BUCKET,
    "an S3 bucket whose requests are logged nowhere",
    "who read which object can't be said afterwards",
    "give it a BucketLogging, as components/objects.py does",
    "AWS S3.9",
    whole=True,
)
def s3_access_log(resource: Resource, plan: Plan) -> Check | None:
    found = plan.settings(LOGGING, "bucket", resource, "bucket")
    if found:
        return Check(True, f"logged under {found[0].get('targetPrefix')}")
    # A bucket that logged its own requests would never end.
    return None if _takes_logs(resource, plan) else Check(False, "it has no logging")


def _takes_logs(resource: Resource, plan: Plan) -> bool:
    for each in plan.of_type(LOGGING):
        depends = {"bucket": each.depends["targetBucket"]} if "targetBucket" in each.depends else {}
        inputs = {"bucket": each.inputs["targetBucket"] if depends else each.get("targetBucket")}
        if Resource(each.type, each.name, inputs, depends=depends).belongs("bucket", resource, "bucket"):
            return True
    return False


@rule(
    "s3-lock",
    Severity.high,
    BUCKET,
    "a bucket of backups whose objects can be deleted at once",
    "who takes over the account deletes the backups with the database",
    "set lockDays of database:backups",
    "AWS S3.15",
    whole=True,
)
def s3_lock(resource: Resource, plan: Plan) -> Check | None:
    if "backups" not in resource.name:
        return None

    def locked(setting: Resource) -> Check:
        days = setting.get("rule", "defaultRetention", "days")
        return Check(bool(days), f"{setting.get('rule', 'defaultRetention', 'mode')} for {days} days")

    return _one(resource, plan, LOCK, locked, "it has no object lock")


RULES = (
    bucket_limits,
    bucket_public,
    s3_public_access_block,
    s3_acl,
    s3_ownership,
    s3_policy_open,
    s3_tls,
    s3_encryption,
    s3_versioning,
    s3_lifecycle,
    s3_access_log,
    s3_lock,
)

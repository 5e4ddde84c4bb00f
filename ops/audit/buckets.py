"""Rules on storage: the buckets that the Storage API shows, and the S3 buckets under them."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from ops.audit.model import Audited, NotSeen, Row, Rule, S3Bucket, Severity

STORED = """
    select id, public, file_size_limit, allowed_mime_types, quote_literal(id) as literal
    from storage.buckets order by id
"""
FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
DANGEROUS = ("s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutBucketPolicy", "s3:PutEncryptionConfiguration",
             "s3:PutObjectAcl")  # fmt: skip


def public(audited: Audited) -> Iterator[Row]:
    """Buckets that anybody reads, and that aren't declared so."""
    declared = audited.declared.buckets
    for row in audited.rows(STORED):
        known = (declared or {}).get(row["id"])
        if row["public"] and not (known or {}).get("public"):
            yield {"object": f"bucket {row['id']}", "literal": row["literal"]}


def stored_undeclared(audited: Audited) -> Iterator[Row]:
    """Buckets that no setting has."""
    if audited.declared.buckets is None:
        raise NotSeen("which buckets are declared is in the state, and a server was named, and no stack")
    for row in audited.rows(STORED):
        if row["id"] not in audited.declared.buckets:
            yield {"object": f"bucket {row['id']}", "literal": row["literal"], "word": shlex.quote(row["id"])}


def unlimited(audited: Audited) -> Iterator[Row]:
    """Buckets that take files of any size, or of any type."""
    for row in audited.rows(STORED):
        lacks = [
            name for name, value in (("size", row["file_size_limit"]), ("type", row["allowed_mime_types"])) if not value
        ]
        if lacks:
            yield {"object": f"bucket {row['id']}", "lacks": " and ".join(lacks)}


def _buckets(audited: Audited) -> tuple[S3Bucket, ...]:
    audited.resources()
    return audited.s3_buckets


def _asked(bucket: S3Bucket, operation: str) -> dict[str, Any]:
    """The answer to a question about a bucket; nothing where that was never set.

    :raises NotSeen: where the store refuses to tell
    """
    try:
        answer: dict[str, Any] = getattr(bucket.client, operation)(Bucket=bucket.name)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if (code.startswith("NoSuch") and code != "NoSuchBucket") or code.endswith("NotFoundError"):
            return {}
        raise NotSeen(f"S3 bucket {bucket.name}: {code}") from None
    return answer


def _row(bucket: S3Bucket, **more: Any) -> Row:
    return {"object": f"S3 bucket {bucket.name}", "name": bucket.name, **more}


def not_blocked(audited: Audited) -> Iterator[Row]:
    """Buckets that could be made public."""
    for bucket in _buckets(audited):
        found = _asked(bucket, "get_public_access_block").get("PublicAccessBlockConfiguration", {})
        off = [flag for flag in FLAGS if not found.get(flag)]
        if off:
            yield _row(bucket, off=", ".join(off))


def _statements(bucket: S3Bucket) -> list[dict[str, Any]]:
    return statements(_asked(bucket, "get_bucket_policy").get("Policy"))


def statements(policy: str | None) -> list[dict[str, Any]]:
    """What a policy consists of; one statement may stand without a list around it."""
    found = json.loads(policy)["Statement"] if policy else []
    return found if isinstance(found, list) else [found]


def principals(statement: dict[str, Any]) -> list[str]:
    """The accounts and roles that a statement of a policy is about; `*` is anybody."""
    principal = statement.get("Principal", {})
    found = principal if isinstance(principal, str) else principal.get("AWS", [])
    return [found] if isinstance(found, str) else list(found)


def actions(statement: dict[str, Any]) -> list[str]:
    """What a statement of a policy is about."""
    found = statement.get("Action", [])
    return [found] if isinstance(found, str) else list(found)


def open_policy(audited: Audited) -> Iterator[Row]:
    """Bucket policies that let anybody in."""
    for bucket in _buckets(audited):
        for statement in _statements(bucket):
            # A condition narrows it to an account, a distribution or a network.
            if statement["Effect"] == "Allow" and "*" in principals(statement) and not statement.get("Condition"):
                yield _row(bucket, what=", ".join(actions(statement)))


def foreign_policy(audited: Audited) -> Iterator[Row]:
    """Bucket policies that let another account change who gets in."""
    for bucket in _buckets(audited):
        for statement in _statements(bucket):
            dangerous = [action for action in actions(statement) if action in (*DANGEROUS, "s3:*", "*")]
            others = [name for name in principals(statement) if name != "*"]
            if statement["Effect"] == "Allow" and dangerous and others:
                yield _row(bucket, who=", ".join(others), what=", ".join(dangerous))


def without_tls(audited: Audited) -> Iterator[Row]:
    """Buckets that answer requests in clear text."""
    for bucket in _buckets(audited):
        if not any(_denies_clear_text(statement) for statement in _statements(bucket)):
            yield _row(bucket)


def _denies_clear_text(statement: dict[str, Any]) -> bool:
    secure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    all_of_it = "s3:*" in actions(statement) or "*" in actions(statement)
    return statement["Effect"] == "Deny" and "*" in principals(statement) and all_of_it and str(secure) == "false"


def not_encrypted(audited: Audited) -> Iterator[Row]:
    """Buckets without encryption of their own."""
    for bucket in _buckets(audited):
        if not _asked(bucket, "get_bucket_encryption").get("ServerSideEncryptionConfiguration"):
            yield _row(bucket)


def not_versioned(audited: Audited) -> Iterator[Row]:
    """Buckets in which an overwrite is the end."""
    for bucket in _buckets(audited):
        if _asked(bucket, "get_bucket_versioning").get("Status") != "Enabled":
            yield _row(bucket)


def with_lists(audited: Audited) -> Iterator[Row]:
    """Buckets whose objects can have owners and access lists of their own."""
    for bucket in _buckets(audited):
        found = _asked(bucket, "get_bucket_ownership_controls").get("OwnershipControls", {}).get("Rules", [])
        if [rule["ObjectOwnership"] for rule in found] != ["BucketOwnerEnforced"]:
            yield _row(bucket)


def without_lifecycle(audited: Audited) -> Iterator[Row]:
    """Buckets that keep unfinished uploads and old versions for ever."""
    for bucket in _buckets(audited):
        rules = _asked(bucket, "get_bucket_lifecycle_configuration").get("Rules", [])
        if not any(rule["Status"] == "Enabled" for rule in rules):
            yield _row(bucket)


def without_log(audited: Audited) -> Iterator[Row]:
    """Buckets whose requests are noted nowhere; moto has none to note."""
    for bucket in _buckets(audited):
        if not _asked(bucket, "get_bucket_logging").get("LoggingEnabled"):
            yield _row(bucket, severity="info" if bucket.disposable else None)


RULES = (
    Rule(
        "bucket-public",
        Severity.critical,
        "a public storage bucket that isn't declared to be public",
        "anybody can read its files by their names",
        "update storage.buckets set public = false where id = {literal};",
        public,
        ("AWS S3.2",),
    ),
    Rule(
        "bucket-undeclared",
        Severity.medium,
        "a storage bucket that no setting has",
        "database:buckets doesn't have it",
        "declare it in Pulumi.<stack>.yaml; or ./vpb storage empty {word} --confirm {word}, then in one transaction "
        "set local storage.allow_delete_query = 'true'; delete from storage.buckets where id = {literal};",
        stored_undeclared,
    ),
    Rule(
        "bucket-unlimited",
        Severity.medium,
        "a storage bucket without a limit on size or type",
        "it takes files of any {lacks}",
        "set fileSizeLimit and allowedMimeTypes in database:buckets, then make up",
        unlimited,
    ),
    Rule(
        "s3-public-access-block",
        Severity.high,
        "an S3 bucket that could be made public",
        "{off} is off",
        "make up",
        not_blocked,
        ("AWS S3.8",),
    ),
    Rule(
        "s3-public-policy",
        Severity.critical,
        "an S3 bucket whose policy lets anybody in",
        "its policy allows anybody {what}",
        "make up",
        open_policy,
        ("AWS S3.2", "AWS S3.3"),
    ),
    Rule(
        "s3-foreign-account",
        Severity.high,
        "an S3 bucket whose policy lets others change who gets in",
        "its policy allows {who} {what}",
        "make up",
        foreign_policy,
        ("AWS S3.6",),
    ),
    Rule(
        "s3-tls",
        Severity.high,
        "an S3 bucket that answers requests without TLS",
        "no statement of its policy denies requests without TLS",
        "make up",
        without_tls,
        ("AWS S3.5",),
    ),
    Rule(
        "s3-encryption",
        Severity.high,
        "an S3 bucket without encryption",
        "its objects aren't encrypted by a rule of its own",
        "make up",
        not_encrypted,
        ("AWS S3.17",),
    ),
    Rule(
        "s3-versioning",
        Severity.medium,
        "an S3 bucket without versions",
        "an overwrite or a delete can't be taken back",
        "make up",
        not_versioned,
        ("AWS S3.14",),
    ),
    Rule(
        "s3-ownership",
        Severity.medium,
        "an S3 bucket with access lists",
        "objects can have access lists of their own",
        "make up",
        with_lists,
        ("AWS S3.12",),
    ),
    Rule(
        "s3-lifecycle",
        Severity.low,
        "an S3 bucket without lifecycle rules",
        "unfinished uploads and old versions stay for ever",
        "make up",
        without_lifecycle,
        ("AWS S3.13", "AWS S3.10"),
    ),
    Rule(
        "s3-access-log",
        Severity.medium,
        "an S3 bucket whose requests are logged nowhere; on moto, for information",
        "nobody can tell who read which object",
        "aws s3api put-bucket-logging --bucket {name} --bucket-logging-status …",
        without_log,
        ("AWS S3.9",),
    ),
)

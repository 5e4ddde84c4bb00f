"""Whether an object's KMS key lets a request through: its state, its policy, and the caller's right to it.

As on the pages "Key states of AWS KMS keys" (a key that is disabled or waits for its deletion decrypts nothing), "Using
server-side encryption with AWS KMS keys" (reading needs kms:Decrypt, writing kms:GenerateDataKey, an upload in parts
both) and "Determining access to AWS KMS keys" (the key's policy decides alone, and by naming the account leaves it to
policies of its users and roles). A key that moto doesn't have isn't judged.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from moto.kms.models import kms_backends

from local.moto.errors import Refused
from local.moto.policy import Request, Verdict, evaluate

KMS = "aws:kms"
HEADER = "x-amz-server-side-encryption"
# A key's state → the error of S3 and what it says of the key.
UNUSABLE = {
    "Disabled": ("KMS.DisabledException", "is disabled."),
    "PendingDeletion": ("KMS.KMSInvalidStateException", "is pending deletion."),
}
# What concerns an object and not its bytes.
NO_CONTENT = ("acl", "delete", "legal-hold", "restore", "retention", "tagging")
READ, WRITE = "Decrypt", "GenerateDataKey"


def of_object(stored: Any) -> str:
    """The key that an object is encrypted with; empty where that is none of KMS."""
    return stored.kms_key_id or "" if stored is not None and stored.encryption == KMS else ""


def of_upload(bucket: Any, sent: Mapping[str, str]) -> str:
    """The key that an upload will be encrypted with, by its headers or else by the bucket's default."""
    if HEADER in sent:
        return sent.get(f"{HEADER}-aws-kms-key-id", "") if sent[HEADER] == KMS else ""
    default = ((bucket.encryption or {}).get("Rule") or {}).get("ApplyServerSideEncryptionByDefault") or {}
    return default.get("KMSMasterKeyID", "") if default.get("SSEAlgorithm") == KMS else ""


def find(name: str, account: str) -> Any:
    """moto's key by id, ARN or alias; None where there is none."""
    backends = kms_backends[account]
    parts = name.split(":")
    regions = [parts[3]] if len(parts) > 5 else list(backends)
    for region in regions:
        backend = backends[region]
        id = backend.any_id_to_key_id(name)
        if id in backend.keys:
            return backend.keys[id]
    return None


def check_state(key: Any) -> None:
    """Refuses what is asked of a key that nobody can use.

    :raises Refused: with the code of S3
    """
    if key.key_state in UNUSABLE:
        code, said = UNUSABLE[key.key_state]
        raise Refused(code, f"{key.arn} {said}")


def lets(key: Any, request: Request) -> bool:
    """What the key's policy says; the caller's own policies are asked elsewhere."""
    return evaluate(json.loads(key.policy), request) is Verdict.ALLOW


def actions(method: str, arguments: Collection[str]) -> Iterator[str]:
    """What a request for an object does with the key that the object has or gets."""
    if "uploadId" in arguments or "uploads" in arguments:
        yield from {"DELETE": (), "GET": (READ,)}.get(method, (READ, WRITE))
    elif not any(argument in arguments for argument in NO_CONTENT):
        yield from {"GET": (READ,), "PUT": (WRITE,), "POST": (WRITE,)}.get(method, ())

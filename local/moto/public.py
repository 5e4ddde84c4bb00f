"""What counts as public, for the block public access settings.

As on the page "Blocking public access to your Amazon S3 storage", section "The meaning of public": a policy is public
unless each Allow is limited to fixed values, of its principals or of certain condition keys; an ACL is public when it
grants something to the groups AllUsers or AuthenticatedUsers.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from local.moto import conditions
from local.moto.conditions import texts
from local.moto.policy import statements

LIMITING_KEYS = {
    "aws:principalaccount",
    "aws:principalarn",
    "aws:sourceaccount",
    "aws:sourcearn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
}
LIMITING_OPERATORS = {"StringEquals", "StringLike", "ArnEquals", "ArnLike"}
PUBLIC_GROUPS = ("groups/global/AllUsers", "groups/global/AuthenticatedUsers")
PUBLIC_CANNED = ("public-read", "public-read-write", "authenticated-read")


def policy_is_public(policy: Mapping[str, Any]) -> bool:
    return any(
        statement["Effect"] == "Allow" and _open_to_all(statement) and not _limited(statement)
        for statement in statements(policy)
    )


def _open_to_all(statement: Mapping[str, Any]) -> bool:
    if "NotPrincipal" in statement:
        return True
    principal = statement["Principal"]
    return principal == "*" or "*" in texts(principal.get("AWS", []))


def _limited(statement: Mapping[str, Any]) -> bool:
    return any(_limits(*condition) for condition in conditions.each(statement.get("Condition", {})))


def _limits(operator: str, key: str, values: list[str]) -> bool:
    if operator == "IpAddress" and key == "aws:sourceip":
        return all(_narrow(value) for value in values)
    fixed = not any("*" in value or "?" in value for value in values)
    return operator in LIMITING_OPERATORS and key in LIMITING_KEYS and fixed


def _narrow(text: str) -> bool:
    network = ipaddress.ip_network(text, strict=False)
    return network.prefixlen >= (8 if network.version == 4 else 32)


def acl_is_public(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a request sets a public ACL, by canned name, by grants or by its body."""
    grants = [value for name, value in headers.items() if name.lower().startswith("x-amz-grant-")]
    text = " ".join([*grants, body.decode(errors="replace")])
    return headers.get("x-amz-acl", "") in PUBLIC_CANNED or any(group in text for group in PUBLIC_GROUPS)

"""Bucket policies: what is a valid one, and what it says about a request.

As on the pages "Policy evaluation logic", "AWS JSON policy elements: Principal" and "Policies and permissions in
Amazon S3": an explicit Deny wins over every Allow; an account in Principal stands for everybody in it; a role stands
for its sessions.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from local.moto import conditions
from local.moto.conditions import like, texts
from local.moto.errors import Refused

# A key outside this list would be silently false, and a Deny on it silently without effect.
KEYS = {
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:referer",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:useragent",
    "s3:delimiter",
    "s3:existingobjecttag",
    "s3:prefix",
    "s3:requestobjecttag",
    "s3:versionid",
    "s3:x-amz-acl",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
}


@dataclass(frozen=True)
class Principal:
    """Who makes a request; nobody in particular where every field is empty."""

    arn: str = ""
    account: str = ""
    role: str = ""
    service: str = ""

    @property
    def is_root(self) -> bool:
        return self.arn.endswith(":root")


ANONYMOUS = Principal()


@dataclass(frozen=True)
class Request:
    """One action on one resource, with the values of the condition keys that it has."""

    action: str
    resource: str
    principal: Principal = ANONYMOUS
    context: Mapping[str, str] = field(default_factory=dict)


class Verdict(Enum):
    """What the statements say together."""

    ALLOW = "allow"
    DENY = "deny"
    SILENT = "silent"


def parse(text: bytes, bucket: str) -> dict[str, Any]:
    """The policy, or MalformedPolicy with the sentence of the real service.

    What is valid there and isn't evaluated here is NotImplemented: better no policy than one that only looks obeyed.
    """
    try:
        policy = json.loads(text)
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        raise _malformed("Policies must be valid JSON and the first byte must be '{'")
    if policy.get("Version", "2008-10-17") not in ("2008-10-17", "2012-10-17"):
        raise _malformed("The policy must contain a valid version string")
    if not statements(policy):
        raise _malformed("Missing required field Statement")
    for statement in statements(policy):
        _check_statement(statement, bucket)
    return policy


def _malformed(message: str) -> Refused:
    return Refused("MalformedPolicy", message)


def statements(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = policy.get("Statement") or []
    return found if isinstance(found, list) else [found]


def _check_statement(statement: Any, bucket: str) -> None:
    if not isinstance(statement, dict):
        raise _malformed("Statement must be an object")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed(f"Invalid effect: {statement.get('Effect')}")
    for name in ("Principal", "Action", "Resource"):
        if (name in statement) == (f"Not{name}" in statement):
            raise _malformed(f"Missing required field {name}")
    # Variables would have to be filled in per request; compared as they stand they would match nothing.
    for resource in texts(statement.get("Resource", statement.get("NotResource"))):
        if "${" in resource:
            raise Refused("NotImplemented", "policy variables are not evaluated offline")
        if not like(f"arn:aws:s3:::{bucket}", resource.split("/")[0]):
            raise _malformed("Policy has invalid resource")
    _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
    _check_condition(statement.get("Condition", {}))


def _check_principal(principal: Any) -> None:
    if isinstance(principal, dict):
        for kind in principal:
            if kind in ("Federated", "CanonicalUser"):
                raise Refused("NotImplemented", f"principals of the kind {kind} are not evaluated offline")
            if kind not in ("AWS", "Service"):
                raise _malformed("Invalid principal in policy")
    elif principal != "*":
        raise _malformed("Invalid principal in policy")


def _check_condition(block: Any) -> None:
    if not isinstance(block, dict) or not all(isinstance(pairs, dict) for pairs in block.values()):
        raise _malformed("Conditions must be an object of objects")
    for operator, key, values in conditions.each(block):
        if not conditions.known(operator):
            raise Refused("NotImplemented", f"condition operator {operator} is not evaluated offline")
        if key.split("/")[0] not in KEYS:
            raise Refused("NotImplemented", f"condition key {key} is not evaluated offline")
        if any("${" in value for value in values):
            raise Refused("NotImplemented", "policy variables are not evaluated offline")
        if not conditions.valid(operator, values):
            raise _malformed(f"Invalid value for condition {operator}")


def evaluate(policy: Mapping[str, Any], request: Request) -> Verdict:
    effects = {statement["Effect"] for statement in statements(policy) if _applies(statement, request)}
    if "Deny" in effects:
        return Verdict.DENY
    return Verdict.ALLOW if "Allow" in effects else Verdict.SILENT


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    # The policy of a role names nobody: it is the role's.
    of_a_role = "Principal" not in statement and "NotPrincipal" not in statement
    return (
        (of_a_role or _either(statement, "Principal", lambda value: _is_meant(value, request.principal)))
        and _either(statement, "Action", lambda value: _any_like(request.action.lower(), value, lower=True))
        and _either(statement, "Resource", lambda value: _any_like(request.resource, value))
        and conditions.all_hold(statement.get("Condition", {}), request.context)
    )


def _either(statement: Mapping[str, Any], name: str, test: Any) -> bool:
    return bool(test(statement[name])) if name in statement else not test(statement[f"Not{name}"])


def _any_like(actual: str, wanted: Any, *, lower: bool = False) -> bool:
    return any(like(actual, want.lower() if lower else want) for want in texts(wanted))


def _is_meant(wanted: Any, principal: Principal) -> bool:
    if wanted == "*":
        return True
    named = texts(wanted.get("AWS", []))
    if "*" in named:
        return True
    # A service is never meant by an account or a role.
    if principal.service:
        return principal.service in texts(wanted.get("Service", []))
    account = (principal.account, f"arn:aws:iam::{principal.account}:root")
    return bool(principal.account) and any(want in (*account, principal.arn, principal.role) for want in named)

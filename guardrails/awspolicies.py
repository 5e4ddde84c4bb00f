"""Statements of AWS' policies: whom they let in, to do what, on what, and under which condition."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from guardrails.networks import wide
from guardrails.values import UNKNOWN, listed, principals, statements

ACCOUNT = re.compile(r"\b(?:arn:[\w-]+:[\w-]*:[\w-]*:)?([0-9]{12})\b")
# Keys whose fixed value ties a request to a caller, an account or a network: the S3 manual, "The meaning of public",
# and the same ones of KMS.
TIES = {
    *(f"aws:source{each}" for each in ("account", "arn", "ip", "orgid", "orgpaths", "owner", "vpc", "vpce")),
    *(f"aws:principal{each}" for each in ("account", "arn", "orgid", "orgpaths")),
    *("aws:userid", "kms:calleraccount", "s3:dataaccesspointaccount", "s3:dataaccesspointarn"),
}
# How a fixed value is asked for; the others, `…IfExists` and `ForAllValues:` also hold where the key isn't there.
ASKS = re.compile(r"(foranyvalue:)?(stringequals(ignorecase)?|stringlike|arnequals|arnlike|ipaddress)")
TIED_ARN = re.compile(r"arn:[\w-]+:(s3:::[^*?]+|[^:]*:[^:]*:[0-9]{12}:).*")
# Parts of an ARN's resource that say its type and not which one.
SORTS = re.compile(r"(role|user|group|policy|instance-profile|key|secret|alias)?[/:]?[*?]*")


def allowing(document: Any) -> list[dict[str, Any]]:
    """The statements of a policy that allow something."""
    return [each for each in statements(document) if each.get("Effect") == "Allow"]


def anybody(statement: Mapping[str, Any]) -> bool:
    """Whether a statement is about anybody; all but some are anybody too."""
    return "NotPrincipal" in statement or any(isinstance(each, str) and "*" in each for each in principals(statement))


def ties(statement: Mapping[str, Any]) -> bool:
    """Whether a statement has a condition that leaves somebody out."""
    return any(
        ASKS.fullmatch(asked) and key in TIES and values and all(_fixed(key, each) for each in values)
        for asked, key, values in conditions(statement)
    )


def conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """How a value is asked for, its key (both in lower case), and what it may be."""
    for asked, keys in (statement.get("Condition") or {}).items():
        for key, values in keys.items():
            yield asked.lower(), key.lower(), listed(values)


def _fixed(key: str, value: Any) -> bool:
    if value is UNKNOWN:
        return True
    if not isinstance(value, str) or not value.strip("*?"):
        return False
    if key == "aws:sourceip":
        return not wide([value])
    if key.endswith("arn") and "*" in value:
        return TIED_ARN.fullmatch(value) is not None
    return key.endswith("arn") or "*" not in value.split(":")[0]


def allows(statement: Mapping[str, Any], wanted: Iterable[str]) -> list[str]:
    """Which of these actions a statement is about; `NotAction` is about all that it doesn't name."""
    if "NotAction" in statement:
        return [each for each in wanted if not matched(each, listed(statement["NotAction"]))]
    return [each for each in wanted if matched(each, listed(statement.get("Action")))]


def matched(action: str, patterns: Iterable[Any]) -> bool:
    """Whether patterns of AWS' name an action."""
    return any(
        # A bracket is one to AWS.
        fnmatchcase(action.lower(), each.lower().replace("[", "[[]"))
        for each in patterns
        if isinstance(each, str)
    )


def everywhere(statement: Mapping[str, Any]) -> bool:
    """Whether a statement is about every object of a service, or of a sort."""
    return "NotResource" in statement or any(map(_wide, listed(statement.get("Resource"))))


def _wide(resource: Any) -> bool:
    if not isinstance(resource, str):
        return False
    parts = resource.split(":", 5)
    return _sort(parts[5]) if len(parts) == 6 else "*" in resource


def _sort(resource: str) -> bool:
    return SORTS.fullmatch(resource) is not None and ("*" in resource or not resource)


def accounts(statement: Mapping[str, Any]) -> list[str]:
    """The accounts that a statement lets in, as far as they are seen; others by the text that names them."""
    found = []
    named = statement.get("Principal")
    given = listed(named.get("AWS")) + listed(named.get("CanonicalUser")) if isinstance(named, Mapping) else []
    for each in given:
        if isinstance(each, str) and each != "*":
            match = ACCOUNT.match(each)
            found.append(match[1] if match else each)
    return found


def denies_clear_text(statement: Mapping[str, Any]) -> bool:
    """Whether a statement keeps everybody from asking without TLS, and asks nothing else."""
    asked = list(conditions(statement))
    clear = len(asked) == 1 and asked[0][:2] == ("bool", "aws:securetransport") and _said(asked[0][2]) == ["false"]
    return statement.get("Effect") == "Deny" and "*" in principals(statement) and clear


def _said(values: Iterable[Any]) -> list[str]:
    return [str(each).lower() for each in values]

"""Condition operators of bucket policies.

As on the page "IAM JSON policy elements: Condition operators": several values are alternatives, a missing key makes a
positive operator false and a negated one true, and `…IfExists` makes both true.
"""

import functools
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Test = Callable[[str, str], bool]
Context = Mapping[str, str]


@functools.lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def like(actual: str, wanted: str) -> bool:
    """Whether the text fits a pattern in which * is any text and ? any character."""
    return _pattern(wanted).fullmatch(actual) is not None


def _arn_like(actual: str, wanted: str) -> bool:
    # A * stays within its part of the ARN, and colons in the last part are plain characters.
    have, want = actual.split(":", 5), wanted.split(":", 5)
    return len(have) == len(want) and all(map(like, have, want))


def _in_network(actual: str, wanted: str) -> bool:
    return ipaddress.ip_address(actual) in ipaddress.ip_network(wanted, strict=False)


def _equal(actual: str, wanted: str) -> bool:
    return actual == wanted


def _equal_any_case(actual: str, wanted: str) -> bool:
    return actual.lower() == wanted.lower()


POSITIVE: dict[str, Test] = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _equal_any_case,
    "StringLike": like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _equal_any_case,
    "IpAddress": _in_network,
}
NEGATED: dict[str, Test] = {
    "StringNotEquals": _equal,
    "StringNotEqualsIgnoreCase": _equal_any_case,
    "StringNotLike": like,
    "ArnNotEquals": _arn_like,
    "ArnNotLike": _arn_like,
    "NotIpAddress": _in_network,
}


def known(operator: str) -> bool:
    return operator == "Null" or operator.removesuffix("IfExists") in POSITIVE | NEGATED


def valid(operator: str, values: list[str]) -> bool:
    if not operator.removesuffix("IfExists").endswith("IpAddress"):
        return bool(values)
    try:
        return bool([ipaddress.ip_network(value, strict=False) for value in values])
    except ValueError:
        return False


def texts(value: Any) -> list[str]:
    """One value or a list of them, as the texts that are compared; JSON's true is the text true."""
    values = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]


def _holds(operator: str, wanted: list[str], actual: str | None) -> bool:
    if operator == "Null":
        return (actual is None) == (wanted[0].lower() == "true")
    name = operator.removesuffix("IfExists")
    negated = name in NEGATED
    if actual is None:
        # A Deny with StringNotEquals therefore also meets requests without the header.
        return negated or name != operator
    test = (NEGATED if negated else POSITIVE)[name]
    return any(test(actual, want) for want in wanted) != negated


def each(block: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, list[str]]]:
    """The single conditions of a block: operator, key in lower case, values."""
    for operator, pairs in block.items():
        for key, value in pairs.items():
            yield operator, key_name(key), texts(value)


def key_name(key: str) -> str:
    """The key in the case it is compared in: names in any case, the key of a tag as it stands."""
    name, slash, tag = key.partition("/")
    return name.lower() + slash + tag


def all_hold(block: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    return all(_holds(operator, wanted, context.get(key)) for operator, key, wanted in each(block))

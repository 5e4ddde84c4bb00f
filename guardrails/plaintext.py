"""Secrets in clear text: by the name that they stand under, by how tokens and keys look, and in SQL and texts."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from declared.secretforms import IN_SQL, KEYWORD, TOKEN, URL
from guardrails.values import texts

# Names whose values are secrets, at their end: `secretArn` names one, and `rotation` of a password is its number.
NAME = re.compile(
    r"(passwords?|passwd|pwd|passphrase|_pass|(?-i:(?<=[a-z])Pass)|secrets?|secret_?string|tokens?|credentials?"
    r"|(private|secret|access|api|account|signing|encryption)_?keys?)(wo)?$",
    re.IGNORECASE,
)
# Where the name stands beside the value.
LABELS, VALUES = ("name", "key", "parameterName"), ("value", "defaultValue", "valueFrom")
# A text that may be one of these in base64.
BASE64 = re.compile(r"[0-9A-Za-z+/\s]{40,}={0,2}\s*")


def found(inputs: Mapping[str, Any], named: bool = True) -> list[str]:
    """The paths of inputs that hold a secret in clear text.

    Args:
        named: whether the keys in it are names of settings, so that they say what is a secret.
    """
    by_value = {path for path, text in texts(dict(inputs)) if _looks(text)}
    return sorted(by_value | ({*_by_name(dict(inputs))} if named else set()))


def _looks(text: str) -> bool:
    return any(form.search(each) for form in (TOKEN, URL, KEYWORD, IN_SQL) for each in (text, _decoded(text)))


def _decoded(text: str) -> str:
    if not BASE64.fullmatch(text):
        return ""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _by_name(value: Any, path: str = "", name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        label = next((value[each] for each in LABELS if isinstance(value.get(each), str)), "")
        for key, each in value.items():
            yield from _by_name(each, f"{path}.{key}" if path else key, label if key in VALUES and label else key)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _by_name(each, f"{path}[{number}]", name)
    # A variable may name where a secret is kept.
    elif isinstance(value, str) and value and NAME.search(name) and not value.startswith("arn:"):
        yield path

"""What looks like a secret in a text that goes to a pull request: tokens by their form, and passwords by their place.

The engine leaves out what is declared a secret. This is for what somebody has written into SQL, such as a key in the
body of a function. What has no form of its own, such as a word alone, can't be recognized.
"""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[secret]"
# The prefixes are those that their issuers document, for scanners such as GitHub's secret scanning.
TOKENS = re.compile(
    r"""-----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
      | \bgh[pousr]_[A-Za-z0-9]{16,} | \bgithub_pat_\w{16,} | \bglpat-[\w-]{16,}
      | \b(?:AKIA|ASIA)[A-Z0-9]{12,}
      | \b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{8,} | \bsk-[A-Za-z0-9_-]{20,} | \bsbp_[a-f0-9]{20,}
      | \bxox[abeprs]-[A-Za-z0-9-]{10,}
      | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*""",
    re.VERBOSE | re.DOTALL,
)
URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*:)[^\s/@'\"]+(?=@)", re.IGNORECASE)
# `password 'x'`, `"api_key": "x"`, `secret => 'x'`.
NAMED = re.compile(
    r"""(\b\w*(?:password|passwd|pwd|secret|token|api_?key)\w*["']?\s*(?:=>|:=|:|=)?\s*)(['"])(?!\[secret\])[^'"\s]{4,}\2""",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """The text without what looks like a secret."""
    text = TOKENS.sub(HIDDEN, text)
    text = URL.sub(rf"\1{HIDDEN}", text)
    return NAMED.sub(rf"\1\2{HIDDEN}\2", text)


def everywhere(value: Any) -> Any:
    """The same of each text in maps and lists."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: everywhere(each) for key, each in value.items()}
    return [everywhere(each) for each in value] if isinstance(value, list | tuple) else value

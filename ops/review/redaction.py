"""What looks like a secret in a text that goes to a pull request: tokens by their form, and passwords by their place.

The engine leaves out what is declared a secret. This is for what somebody has written into SQL, such as a key in the
body of a function. What has no form of its own, such as a word alone, can't be recognized.
"""

import re
from collections.abc import Mapping
from typing import Any

from declared.secretforms import IN_SQL, KEYWORD, TOKEN, URL

HIDDEN = "[secret]"
# `password 'x'`, `"api_key": "x"`, `secret => 'x'`.
NAMED = re.compile(
    r"""(\b\w*(?:password|passwd|pwd|secret|token|api_?key)\w*["']?\s*(?:=>|:=|:|=)?\s*)(['"])(?!\[secret\])[^'"\n]{4,}\2""",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """The text without what looks like a secret."""
    text = TOKEN.sub(HIDDEN, text)
    text = URL.sub(rf"\1{HIDDEN}", text)
    text = KEYWORD.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", text)
    text = IN_SQL.sub(rf"\1'{HIDDEN}'", text)
    return NAMED.sub(rf"\1\2{HIDDEN}\2", text)


def everywhere(value: Any) -> Any:
    """The same of each text in maps and lists."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: everywhere(each) for key, each in value.items()}
    return [everywhere(each) for each in value] if isinstance(value, list | tuple) else value

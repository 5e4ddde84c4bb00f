"""SQL text taken apart as psql does it: statements, with their line and the comment above them."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""--[^\n]*
      | (?<![\w$])e'(?:[^'\\]|''|\\.)*'
      | '(?:[^']|'')*'
      | "(?:[^"]|"")*"
      | (?<![\w$])(?P<tag>\$(?:[a-z_]\w*)?\$).*?(?P=tag)
      | /\*
      | \bbegin\s+atomic\b
      | \b(?:case|end)\b
      | [;()]
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


COMMENT_MARK = re.compile(r"/\*|\*/")
BLANK = re.compile(r"\s+|--[^\n]*|/\*")


@dataclass(frozen=True)
class Statement:
    """One statement of a file, without its semicolon and the comments before it."""

    text: str
    line: int
    comment: str


def digest(text: str) -> str:
    """What is kept of a text in the state and in the history."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def statements(text: str) -> list[Statement]:
    """The statements of an SQL text, split as psql splits them."""
    found = []
    start = 0
    for end in [*_semicolons(text), len(text)]:
        part = text[start:end]
        body, comment, skipped = _without_leading_comments(part)
        if body:
            found.append(Statement(body, text.count("\n", 0, start + skipped) + 1, comment))
        start = end + 1
    return found


def _semicolons(text: str) -> Iterator[int]:
    # A body between `begin atomic` and its `end` has semicolons of its own; inside it, `case` has an `end` too.
    depth = 0
    for word, start in _tokens(text, 0):
        if word.startswith("begin") and word.endswith("atomic"):
            depth += 1
        elif word in ("case", "end") and depth:
            depth += 1 if word == "case" else -1
        elif word == ";" and not depth:
            yield start


def _tokens(text: str, position: int) -> Iterator[tuple[str, int]]:
    """What isn't plain text, in lower case and with its place; a comment is one token, whatever is in it."""
    while match := TOKEN.search(text, position):
        word = match.group().lower()
        position = _comment_end(text, match.end()) if word == "/*" else match.end()
        yield word, match.start()


def _comment_end(text: str, position: int) -> int:
    depth = 1
    while depth and (mark := COMMENT_MARK.search(text, position)):
        depth += 1 if mark.group() == "/*" else -1
        position = mark.end()
    return len(text) if depth else position


def _without_leading_comments(part: str) -> tuple[str, str, int]:
    """The statement, the block of line comments right above it, and how many characters came before it."""
    skipped = 0
    while match := BLANK.match(part, skipped):
        skipped = _comment_end(part, match.end()) if match.group() == "/*" else match.end()
    above = re.search(r"(?:^--[^\n]*\n)*\Z", part[:skipped], re.MULTILINE)
    lines = above.group().splitlines() if above else []
    return part[skipped:].strip(), " ".join(line[2:].strip() for line in lines), skipped


def closing(text: str, position: int) -> int | None:
    """Where the parenthesis is closed that was opened before `position`."""
    depth = 1
    for word, start in _tokens(text, position):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if not depth:
            return start
    return None

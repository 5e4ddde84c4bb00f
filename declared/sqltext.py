"""SQL text taken apart as PostgreSQL's scanner does it: statements, with their line and the comment above them.

This reads what lies in `sql/` at every preview, so it is quick and knows only what a statement's end depends on. Where
it finds something wrong, or the grammar has to be known, `sqlgrammar` decides: PostgreSQL's own scanner and parser.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from declared import sqlgrammar

# What a name is made of: PostgreSQL takes every character beyond ASCII for a letter.
LETTER, PART = r"A-Za-z_\x80-\U0010ffff", r"\w\x80-\U0010ffff"
# Of two strings with a line's end between, the second goes on as the first began.
ESCAPED = r"'[^'\\]*(?:(?:''|\\.)[^'\\]*)*'(?!')"
# A comment ends with its line, so that there is one way to read it.
CONTINUED = rf"(?:[ \t\f\v]*(?:--[^\n]*)?\n(?:\s|--[^\n]*\n)*{ESCAPED})*"
TOKEN = re.compile(
    rf"""--[^\n]*
      | (?P<mark>[;()\\]|/\*)
      | '[^']*(?:''[^']*)*'(?!')
      | "[^"]*(?:""[^"]*)*"(?!")
      | (?P<tag>\$(?:[{LETTER}][0-9{LETTER}]*)?\$)
      | (?<![{PART}])(?:
            [eE]{ESCAPED}{CONTINUED}
          | (?P<escaped>[eE]')
          | (?P<word>(?i:begin\s+atomic|case|end)(?![{PART}$]))
          | [{LETTER}][{PART}]*\$[{PART}$]*
        )
      | (?P<open>['"])
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT_MARK = re.compile(r"/\*|\*/")
BLANK = re.compile(r"[\s;]+|--[^\n]*|/\*")
ATOMIC = re.compile(r"\batomic\b", re.IGNORECASE)
OPEN, META = "open", "\\"


@dataclass(frozen=True)
class Statement:
    """One statement of a file, without its semicolon and the comments before it."""

    text: str
    line: int
    comment: str


@dataclass(frozen=True)
class Fault:
    """What keeps a file from being a text of statements on its own, and the line on which it begins."""

    line: int
    what: str


def digest(text: str) -> str:
    """What is kept of a text in the state and in the history."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def statements(text: str) -> list[Statement]:
    """The statements of an SQL text, split as PostgreSQL splits them."""
    # Within `begin atomic`, a name can be `end` as well: the parser knows.
    ends = sqlgrammar.ends(text) if ATOMIC.search(text) else None
    return list(_cut(text, _semicolons(text) if ends is None else ends))


def quick_statements(text: str) -> Iterator[Statement]:
    """The same, except for a body between `begin atomic` and `end`, which may be cut within."""
    return _cut(text, _semicolons(text))


def _cut(text: str, ends: Iterator[int]) -> Iterator[Statement]:
    start, line = 0, 1
    for end in ends:
        body, comment, skipped = _without_leading_comments(text[start:end])
        if body:
            yield Statement(body, line + text.count("\n", start, start + skipped), comment)
        line += text.count("\n", start, end + 1)
        start = end + 1


def _semicolons(text: str) -> Iterator[int]:
    """Where the statements end; the last one ends with the text."""
    # A body between `begin atomic` and its `end` has semicolons of its own; inside it, `case` has an `end` too.
    depth = parentheses = 0
    for word, start in _all_tokens(text):
        if word.startswith("begin"):
            depth += 1
        elif word in ("case", "end") and depth:
            depth += 1 if word == "case" else -1
        elif word in ("(", ")"):
            parentheses = max(0, parentheses + (1 if word == "(" else -1))
        elif word == ";" and not depth and not parentheses:
            yield start
    yield len(text)


@lru_cache(maxsize=2)
def _all_tokens(text: str) -> tuple[tuple[str, int], ...]:
    """Of a whole text; the two scripts of a migration are each asked more than once."""
    return tuple(_tokens(text, 0))


def _tokens(text: str, position: int) -> Iterator[tuple[str, int]]:
    """What a statement's end depends on, in lower case and with its place; `open` for what isn't closed, the last."""
    while match := TOKEN.search(text, position):
        kind, start, position = match.lastgroup, match.start(), match.end()
        if kind is None:
            continue
        word = match.group()
        closed = kind not in ("open", "escaped")
        if kind == "tag":
            end = text.find(word, position)
            closed, position = end >= 0, end + len(word)
        elif word == "/*":
            end = _comment_end(text, position)
            closed, position = end > 0, end
        elif closed:
            yield word.lower(), start
        if not closed:
            yield OPEN, start
            return


def _comment_end(text: str, position: int) -> int:
    """Behind the end of a comment; 0 if it has none."""
    depth = 1
    while depth and (mark := COMMENT_MARK.search(text, position)):
        depth += 1 if mark.group() == "/*" else -1
        position = mark.end()
    return 0 if depth else position


def _without_leading_comments(part: str) -> tuple[str, str, int]:
    """The statement, the block of line comments right above it, and how many characters came before it."""
    skipped = 0
    while match := BLANK.match(part, skipped):
        skipped = (_comment_end(part, match.end()) or len(part)) if match.group() == "/*" else match.end()
    above: list[str] = []
    for line in reversed(part[:skipped].split("\n")[:-1]):
        if not line.startswith("--"):
            break
        above.insert(0, line[2:].strip())
    return part[skipped:].strip(), " ".join(above), skipped


def fault(text: str) -> Fault | None:
    """Why a text can't be sent together with others, or at all.

    A comment, a string, a quoted name or a dollar quote that isn't closed would go on in the file that is sent next.
    """
    for word, start in _all_tokens(text):
        if word == META:
            command = text[start:].split(None, 1)[0]
            return Fault(text.count("\n", 0, start) + 1, f"psql's commands don't run here, leave out {command}")
        if word == OPEN:
            unclosed = sqlgrammar.unclosed(text)
            return unclosed and Fault(text.count("\n", 0, unclosed[0]) + 1, f"{unclosed[1]} is not closed in this file")
    return None


def closing(text: str, position: int) -> int | None:
    """Where the parenthesis is closed that was opened before `position`."""
    depth = 1
    for word, start in _tokens(text, position):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if not depth:
            return start
    return None

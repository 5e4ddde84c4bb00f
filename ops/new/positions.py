"""Where something is added to a file that people edit too: found by the file's own grammar, never by a line's number.

What isn't there in the form that is expected is refused with file and line, so that somebody adds it.
"""

import ast
import re

from ops.errors import CommandError

HEAD = re.compile(r"\|[^|]+\|[^|]+\|")


class PositionNotFoundError(CommandError):
    """The position where something belongs isn't there; one line names the file, the line and what to do."""

    def __init__(self, path: str, line: int, wanted: str) -> None:
        super().__init__(f"{path}:{line}: {wanted} isn't found here, so nothing was written; add the lines yourself")


def in_dict(path: str, text: str, name: str, entry: str, after: str = "") -> str:
    """The text with an entry more in the dictionary `name`: behind the last key that begins with `after`, or the last.

    :raises PositionNotFoundError: where there is no such dictionary, or nothing in it to go by
    """
    node = _assigned(path, text, name)
    if not isinstance(node, ast.Dict):
        raise PositionNotFoundError(path, node.lineno, f"the dictionary {name}")
    values = [value for key, value in zip(node.keys, node.values, strict=True) if _begins(key, after)]
    if not values:
        raise PositionNotFoundError(path, node.lineno, f"an entry of {name} whose key begins with {after!r}")
    end = _offset(text, values[-1].end_lineno or 0, values[-1].end_col_offset or 0)
    # A bracket around the value, and the comma, belong to it.
    behind = re.compile(r"[\s)]*,").match(text, end)
    end, comma = (behind.end(), "") if behind else (end, ",")
    return f"{text[:end]}{comma}\n{entry.rstrip()}{text[end:]}"


def _begins(key: ast.expr | None, after: str) -> bool:
    return not after or (isinstance(key, ast.Constant) and str(key.value).startswith(after))


def in_string(path: str, text: str, name: str, addition: str) -> str:
    """The text with something more at the end of the string in three quotes that is assigned to `name`.

    :raises PositionNotFoundError: where there is no such string
    """
    node = _assigned(path, text, name)
    end = _offset(text, node.end_lineno or 0, node.end_col_offset or 0) - 3
    if not isinstance(node, ast.Constant | ast.JoinedStr) or text[end : end + 3] != '"""':
        raise PositionNotFoundError(path, node.lineno, f'the string {name} in """')
    return text[:end] + addition + text[end:]


def keys(path: str, text: str, name: str) -> list[str]:
    """The keys of the dictionary `name` that are written out.

    :raises PositionNotFoundError: where there is no such dictionary
    """
    node = _assigned(path, text, name)
    if not isinstance(node, ast.Dict):
        raise PositionNotFoundError(path, node.lineno, f"the dictionary {name}")
    return [str(key.value) for key in node.keys if isinstance(key, ast.Constant)]


def _assigned(path: str, text: str, name: str) -> ast.expr:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise CommandError(f"{path}:{error.lineno}: is no Python: {error.msg}; nothing was written") from None
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is not None and any(isinstance(each, ast.Name) and each.id == name for each in targets):
            assert isinstance(value, ast.expr)
            return value
    raise PositionNotFoundError(path, 1, f"the name {name}")


def _offset(text: str, line: int, column: int) -> int:
    """Where a position of the grammar is in the text: it counts bytes within a line."""
    lines = text.split("\n")
    before = lines[line - 1].encode()[:column].decode()
    return sum(len(each) + 1 for each in lines[: line - 1]) + len(before)


def head(path: str, text: str, section: str, kind: str) -> list[str]:
    """The fields of the head of a Markdown section's table whose second column is `kind`.

    :raises PositionNotFoundError: where there is none
    """
    lines = text.split("\n")
    return _fields(lines[_head(path, lines, section, kind)])


def in_table(path: str, text: str, section: str, kind: str, rows: list[str]) -> str:
    """The text with rows more at the end of that table.

    :raises PositionNotFoundError: where there is none
    """
    lines = text.split("\n")
    end = _head(path, lines, section, kind)
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    return "\n".join([*lines[:end], *rows, *lines[end:]])


def _head(path: str, lines: list[str], section: str, kind: str) -> int:
    if f"## {section}" not in lines:
        raise PositionNotFoundError(path, 1, f"the section `## {section}`")
    start = lines.index(f"## {section}")
    for number in range(start + 1, len(lines)):
        if lines[number].startswith("## "):
            break
        if HEAD.match(lines[number]) and _fields(lines[number])[1] == kind:
            return number
    raise PositionNotFoundError(path, start + 1, f"a table with the column {kind} below `## {section}`")


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.strip().strip("|").split("|")]

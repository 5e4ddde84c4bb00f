"""Whether two texts of PostgreSQL's own deparser say the same, though one was parsed once more than the other.

PostgreSQL stores an expression as a tree and writes it out anew. What comes back of a dump isn't always what went in:

- `((a AND b) AND c)`, as `a between x and y and c` is stored, comes back as `(a AND b AND c)`;
- `(ARRAY['a'::character varying])::text[]` comes back as `ARRAY[('a'::character varying)::text]`;
- before PostgreSQL 16 a view names the table of each column, also where there is only one.
"""

import re
from collections.abc import Iterator, Sequence

Item = "str | Group"
TOKEN = re.compile(
    r"""
      (?P<quoted>[eEbBxXuU]?&?'(?:[^'\\]|''|\\.)*')
    | (?P<name>"(?:[^"]|"")*"(?:\.(?=["A-Za-z_]))?)
    | (?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?(tag)(?P=tag))\$)
    | (?P<word>[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*|[0-9][\w.]*)
    | (?P<other>::|[-+*/<>=~!@\#%^&|`?]+|\S)
    """,
    re.VERBOSE | re.DOTALL,
)
OPEN, CLOSE = {"(": ")", "[": "]"}, {")", "]"}


class Group(list["str | Group"]):
    """What stands between parentheses or brackets."""

    def __init__(self, kind: str, items: Sequence["str | Group"] = ()) -> None:
        super().__init__(items)
        self.kind = kind


def same(one: str | None, other: str | None) -> bool:
    """Whether both are there and say the same."""
    if one is None or other is None or one == other:
        return one == other
    return _equal(_flat(_tree(one)), _flat(_tree(other)))


def _tree(text: str) -> Group:
    stack = [Group("")]
    for match in TOKEN.finditer(text):
        token = match[0]
        if token in OPEN:
            stack.append(Group(token))
        elif token in CLOSE and len(stack) > 1:
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    while len(stack) > 1:
        done = stack.pop()
        stack[-1].append(done)
    return stack[0]


def _flat(group: Group) -> Group:
    """A tree with what is parsed in one of two ways in one of them."""
    items = _casts([_flat(item) if isinstance(item, Group) else item for item in group])
    for word in ("AND", "OR"):
        items = _spliced(items, word)
    return Group(group.kind, items)


def _spliced(items: "list[str | Group]", word: str) -> "list[str | Group]":
    """Of a chain of ANDs, those operands that are such a chain themselves as its links."""
    if word not in items:
        return items
    found: list[str | Group] = []
    for operand in _split(items, word):
        chain = operand[0] if len(operand) == 1 else None
        if isinstance(chain, Group) and chain.kind == "(" and _is_chain(chain, word):
            operand = list(chain)
        found += [*([word] if found else []), *operand]
    return found


def _split(items: "list[str | Group]", word: str) -> "Iterator[list[str | Group]]":
    operand: list[str | Group] = []
    for item in items:
        if item == word:
            yield operand
            operand = []
        else:
            operand.append(item)
    yield operand


def _is_chain(group: Group, word: str) -> bool:
    other = "OR" if word == "AND" else "AND"
    return word in group and other not in group


def _casts(items: "list[str | Group]") -> "list[str | Group]":
    """A cast of an array as the casts of its elements."""
    found: list[str | Group] = []
    rest = list(items)
    while rest:
        item = rest.pop(0)
        array = item[1] if isinstance(item, Group) and len(item) == 2 and item[0] == "ARRAY" else None
        end = _array_type(rest)
        if not isinstance(array, Group) or array.kind != "[" or not end:
            found.append(item)
            continue
        cast = rest[:end]
        del rest[: end + 1]
        elements = [Group("(", element) for element in _split(list(array), ",")]
        made = Group("[")
        for element in elements:
            made += [*([","] if made else []), element, *cast]
        found += ["ARRAY", made]
    return found


def _array_type(items: "list[str | Group]") -> int:
    """Where the `[]` of `::type[]` stands, at the beginning of what follows; 0 where none does."""
    if not items or items[0] != "::":
        return 0
    for number, item in enumerate(items[1:], start=1):
        if isinstance(item, Group) and item.kind == "[":
            return number if number > 1 and not item else 0
        if isinstance(item, str) and not re.match(r"[\w\".]", item):
            return 0
    return 0


def _equal(one: Group, other: Group) -> bool:
    return _same_items(one, other, _tables(one) & _tables(other))


def _tables(group: Group) -> set[str]:
    """The names, and what follows them, of the tables that are read: so columns may be qualified."""
    found: set[str] = set()
    for place, item in enumerate(group):
        if isinstance(item, Group):
            found |= _tables(item)
        elif item == "FROM":
            name = place + (3 if _qualified(group, place + 1) else 1)
            found |= {each for each in group[name : name + 2] if isinstance(each, str)}
    return found


def _same_items(here: Group, there: Group, tables: set[str]) -> bool:
    """Whether both are the same, but for names of tables in front of columns that only one of them has."""
    i = j = 0
    while i < len(here) and j < len(there):
        one, other = here[i], there[j]
        if isinstance(one, Group) and isinstance(other, Group):
            if one.kind != other.kind or not _same_items(one, other, tables):
                return False
        elif _is_column(here, i, tables) and not _qualified(there, j):
            i += 2
            continue
        elif _is_column(there, j, tables) and not _qualified(here, i):
            j += 2
            continue
        elif one != other:
            return False
        i, j = i + 1, j + 1
    return i == len(here) and j == len(there)


def _qualified(items: Sequence["str | Group"], place: int) -> bool:
    """Whether a name with a dot stands there."""
    return place + 2 < len(items) and items[place + 1] == "." and isinstance(items[place], str)


def _is_column(items: Group, place: int, tables: set[str]) -> bool:
    """Whether a column with its table stands there: no function, no type, no table."""
    if not _qualified(items, place) or items[place] not in tables:
        return False
    follows = items[place + 3] if place + 3 < len(items) else None
    before = items[place - 1] if place else None
    return not (isinstance(follows, Group) and follows.kind == "(") and before not in ("::", "FROM", "JOIN", ".")

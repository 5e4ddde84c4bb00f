"""Object types of TypeScript as a tree: read from the text of Supabase's generator, changed, written again.

Only what that generator writes is understood; anything else is an error, so that a new version of it can't be
misread unnoticed.
"""

import re
import textwrap
from dataclasses import dataclass, field

from generate.clients.catalogue import TypesError

KEY = re.compile(r"(?P<name>\w+|\[_ in never\])(?P<optional>\?)?: *")
OPEN, CLOSE = "[{(<", "]})>"


@dataclass
class Field:
    """A property: whether it may be left out, and its type, as text or as an object type."""

    type: "str | Object"
    optional: bool = False

    @property
    def object(self) -> "Object":
        """Its object type.

        :raises TypesError: where it is another type
        """
        if isinstance(self.type, Object):
            return self.type
        raise TypesError(f"postgres-meta: an object type was expected in the place of {self.type}")


@dataclass
class Object:
    """An object type, or an array of them."""

    fields: dict[str, Field] = field(default_factory=dict)
    array: bool = False

    def __getitem__(self, name: str) -> Field:
        if name not in self.fields:
            raise TypesError(f"postgres-meta: its types have no {name} beside {', '.join(self.fields) or 'nothing'}")
        return self.fields[name]

    def __str__(self) -> str:
        if not self.fields:
            return "Record<never, never>"
        lines = [f"{name}{'?' * each.optional}: {each.type};" for name, each in self.fields.items()]
        body = "\n".join(f"  {line}" for line in "\n".join(lines).splitlines())
        return f"{{\n{body}\n}}{'[]' * self.array}"


def parsed(text: str) -> tuple[Object, str]:
    """The object type that a text begins with, and what follows it.

    :raises TypesError: for what isn't as the generator has always written it
    """
    reader = _Reader(text)
    found = reader.type()
    if not isinstance(found, Object):
        raise TypesError("postgres-meta: the text doesn't begin with an object type")
    return found, text[reader.at :]


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def type(self) -> str | Object:
        return self._object() if self.text.startswith("{", self.at) else self._other()

    def _object(self) -> Object:
        found = Object()
        self.at += 1
        while not self._skip_to().startswith("}"):
            key = KEY.match(self.text, self.at)
            if not key or key["name"] in found.fields:
                raise self._unexpected()
            self.at = key.end()
            found.fields[key["name"]] = Field(self.type(), key["optional"] is not None)
        self.at += 1
        if self.text.startswith("[]", self.at):
            self.at += 2
            found.array = True
        # A union of object types: a function that has its name twice.
        if re.match(r"\s*\|", self.text[self.at :]):
            raise self._unexpected()
        return found

    def _other(self) -> str:
        """Up to the end of the line, of the property or of the object around it, but not within brackets."""
        start, depth = self.at, 0
        while self.at < len(self.text) and (depth or self.text[self.at] not in ";}\n"):
            depth += (self.text[self.at] in OPEN) - (self.text[self.at] in CLOSE)
            self.at += 1
        found = self.text[start : self.at].strip()
        if not found or self._skip_to().startswith("|"):
            raise self._unexpected()
        first, *rest = found.split("\n")
        return "\n".join([first, *textwrap.dedent("\n".join(rest)).split("\n")] if rest else [first])

    def _skip_to(self) -> str:
        """The text from the next thing on."""
        while self.at < len(self.text) and self.text[self.at] in " \n;":
            self.at += 1
        return self.text[self.at : self.at + 1]

    def _unexpected(self) -> TypesError:
        line = self.text[self.at : self.at + 60].strip().partition("\n")[0]
        return TypesError(f"postgres-meta: `{line}` isn't understood; see generate/clients/syntax.py")

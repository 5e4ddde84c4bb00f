"""How a property is declared, and what follows from that: defaults, comparison, what is wrong with an input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plugin.server import CheckFailure
from plugin.wire import has_unknown

EMPTY: dict[str, Any] = {"string": "", "boolean": False, "integer": 0, "strings": []}
SPOKEN = {"string": "a text", "boolean": "true or false", "integer": "a whole number", "strings": "a list of texts"}


@dataclass(frozen=True)
class Property:
    """One property, as the official schema has it.

    `computed`: left out, the server's value stands and is never compared.
    `kept`: an instruction to the provider, which the server knows nothing of.
    """

    type: str = "string"
    default: Any = None
    required: bool = False
    computed: bool = False
    replaces: bool = False
    secret: bool = False
    ordered: bool = False
    kept: bool = False

    @property
    def empty(self) -> Any:
        """What a property that is left out compares as."""
        return EMPTY[self.type] if self.default is None else self.default

    def same(self, have: Any, want: Any) -> bool:
        """Whether two values mean the same; lists do in any order, unless `ordered`."""
        if self.type == "strings" and not self.ordered:
            return set(have) == set(want)
        return bool(have == want)

    def accepts(self, value: Any) -> bool:
        """Whether `value` is of the declared type, as far as it is known."""
        if has_unknown(value):
            return True
        if self.type == "strings":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        if self.type == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        return isinstance(value, {"string": str, "boolean": bool}[self.type])


Properties = Mapping[str, Property]


def mistakes(what: str, properties: Properties, refused: frozenset[str], inputs: dict[str, Any]) -> list[CheckFailure]:
    """What is unknown, refused, missing or of the wrong type among `inputs`."""
    found = []
    for name, value in inputs.items():
        if name in refused:
            # Without a property, since the engine prints the value beside it, and a refused one may be a password.
            found.append(CheckFailure("", f"{what}: {name} is not supported by the offline stand-in"))
        elif name not in properties:
            found.append(CheckFailure(name, f"the official provider's {what} has no such property"))
        elif not properties[name].accepts(value):
            at = "" if properties[name].secret else name
            found.append(CheckFailure(at, f"must be {SPOKEN[properties[name].type]}: {name}"))
    for name, declared in properties.items():
        if declared.required and inputs.get(name) in (None, ""):
            found.append(CheckFailure(name, "is required"))
    return found

"""Values of a resource's inputs, as the engine, a plan or the program under mocks gives them.

What isn't known before `up` is `UNKNOWN`, and what is marked as a secret is `SECRET`: a rule sees neither, and no
evidence can show it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from declared.pulumivalues import HIDDEN, SECRET_SIGNATURE, SIGNATURE, UNKNOWNS


class Mark(Enum):
    """What stands in the place of a value."""

    UNKNOWN = "not known before up"
    SECRET = "a secret"


UNKNOWN, SECRET = Mark.UNKNOWN, Mark.SECRET


class NotKnown(Exception):
    """A value isn't known before `up`; the text is its path."""


def cleaned(value: Any) -> Any:
    """A value with its marks, whole numbers as such; assets and all else that isn't JSON have no value."""
    if isinstance(value, Mapping):
        return _special(value) if SIGNATURE in value else {str(key): cleaned(each) for key, each in value.items()}
    if isinstance(value, str):
        return UNKNOWN if value in UNKNOWNS else SECRET if value == HIDDEN else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Sequence):
        return [cleaned(each) for each in value]
    return value if isinstance(value, bool | int | float | Mark) else None


def _special(value: Mapping[str, Any]) -> Mark | None:
    return SECRET if value[SIGNATURE] == SECRET_SIGNATURE else None


def at(value: Any, *path: str | int) -> Any:
    """What is at a path; None where there is nothing.

    :raises NotKnown: where it, or what it is in, isn't known before `up`
    """
    for step in path:
        if value is UNKNOWN:
            break
        if isinstance(value, Mapping):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    if value is UNKNOWN:
        raise NotKnown(".".join(map(str, path)))
    return value


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, with its path; what is secret or unknown isn't among them."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from texts(each, f"{path}[{number}]")
    elif isinstance(value, str):
        yield path, value


def statements(document: Any) -> list[dict[str, Any]]:
    """The statements of a policy of AWS, given as text or as a map; one may stand without a list around it."""
    if isinstance(document, str):
        document = cleaned(json.loads(document))
    found = at(document, "Statement")
    return [each for each in listed(found) if isinstance(each, dict)]


def listed(value: Any) -> list[Any]:
    """A list, where AWS also takes the one thing in it."""
    return value if isinstance(value, list) else [] if value is None else [value]


def principals(statement: Mapping[str, Any]) -> list[Any]:
    """Whom a statement is about; `*` is anybody. An account or a service that isn't known yet is somebody."""
    found = statement.get("Principal")
    if isinstance(found, Mapping):
        return [each for named in found.values() for each in listed(named)]
    return listed(found)


def actions(statement: Mapping[str, Any]) -> list[str]:
    """What a statement allows or denies."""
    return [each for each in listed(statement.get("Action")) if isinstance(each, str)]

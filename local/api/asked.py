"""What the body of a request to the Storage API asks for; another type than the API's is refused, in its words."""

from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug import Request

from local.api import errors

At = tuple[str, str]
# What PostgreSQL skips of a list at most.
MOST_PASSED = 2**31


def body(request: Request) -> dict[str, Any]:
    """The object that a request sends.

    :raises Refused: for anything else
    """
    try:
        found = request.get_json(force=True, silent=True)
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise errors.invalid("body must be object")
    return found


def text(asked: Mapping[str, Any], name: str) -> str:
    """A text; empty where there is none.

    :raises Refused: for what is no text, or one that no name in the database can be
    """
    found = asked.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise errors.invalid(f"body/{name} must be string")
    return usable(found)


def names(asked: Mapping[str, Any], name: str) -> list[str]:
    """A list of names, each of which may still be one that there can't be.

    :raises Refused: for another value
    """
    found = asked.get(name) or []
    if not isinstance(found, list):
        raise errors.invalid(f"body/{name} must be array")
    if not all(isinstance(each, str) for each in found):
        raise errors.invalid(f"body/{name} must be array of string")
    return found


def sorting(asked: Mapping[str, Any], columns: Sequence[str]) -> Mapping[str, Any]:
    """How a list is sorted: `column`, `order`.

    :raises Refused: for another value
    """
    found = asked.get("sortBy") or {}
    if not isinstance(found, dict):
        raise errors.invalid("body/sortBy must be object")
    if found.get("column") not in (None, *columns):
        raise errors.invalid(f"body/sortBy/column must be equal to one of {', '.join(columns)}")
    if found.get("order") not in (None, "asc", "desc"):
        raise errors.invalid("body/sortBy/order must be asc or desc")
    return found


def number(asked: Mapping[str, Any], name: str, otherwise: int, most: int = MOST_PASSED) -> int:
    """A number from 0 to `most`.

    :raises Refused: for what is no whole number
    """
    given = asked.get(name)
    if given is None:
        return otherwise
    if isinstance(given, bool) or not isinstance(given, int):
        raise errors.invalid(f"body/{name} must be integer")
    return min(max(given, 0), most)


def both(request: Request) -> tuple[At, At]:
    """Bucket and name of what is copied or moved, and of where to.

    :raises Refused: where one is missing
    """
    asked = body(request)
    for name in ("bucketId", "sourceKey", "destinationKey"):
        if not text(asked, name):
            raise errors.invalid(f"body must have required property '{name}'")
    here = asked["bucketId"], asked["sourceKey"]
    return here, (text(asked, "destinationBucket") or asked["bucketId"], asked["destinationKey"])


def usable(name: str) -> str:
    """
    :raises Refused: for half of a pair of UTF-16, and what PostgreSQL keeps in no text
    """
    if "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise errors.bad_key(ascii(name)[:100])
    return name

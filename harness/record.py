"""What the program declares, as JSON on standard output: `python -m harness.record STACK DATABASE`.

A process of its own reads the Python files as they are now, whatever the one that asks has loaded.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

from declared.errors import UserError
from harness.stack import DeclaredResource, declaration


def loaded(text: str) -> dict[str, DeclaredResource]:
    """The declaration in what this module has written."""
    found = {}
    for entry in json.loads(text):
        each = DeclaredResource(**{**entry, "waits_for": frozenset(entry["waits_for"])})
        found[each.name] = each
    return found


def written(declared: Mapping[str, DeclaredResource]) -> str:
    return json.dumps([{**asdict(each), "waits_for": sorted(each.waits_for)} for each in declared.values()])


if __name__ == "__main__":
    try:
        print(written(declaration(sys.argv[2], stack=sys.argv[1])))
    except UserError as error:
        sys.exit(str(error))

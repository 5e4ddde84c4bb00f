"""Who reaches what, as a list that two commits can be compared by: `sql/access.json`, which `make golden` writes."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from declared.paths import CHECKOUT
from ops.database import Connection
from ops.errors import CommandError
from ops.review import accessbuckets, accesslist, redaction
from ops.review.accesschanges import AccessChange, changes

__all__ = ["AccessChange", "changes"]
FILE = CHECKOUT / "sql" / "access.json"
MADE_OF = "made of"
# What the catalogue of a provisioned database follows from; buckets are read where they are compared.
SOURCES = (
    *(f"sql/{folder}/*.sql" for folder in ("platform", "migrations", "policies")),
    *(f"declared/{name}.py" for name in ("grants", "permissions", "platform", "privileges", "roles", "rowsecurity")),
    "declared/schemas.py",
    *(f"components/{name}.py" for name in ("access", "realtime", "roles", "structure")),
)


class OutOfDateError(CommandError):
    """The list is older than what it is made of."""


def catalogue(connection: Connection) -> dict[str, Any]:
    """The list of a provisioned database, with the buckets that files declare and what it was made of."""
    of_stacks = accessbuckets.found(_files())
    return {**accesslist.catalogue(connection, accessbuckets.listed(of_stacks)), MADE_OF: made_of()}


def made_of(checkout: Path | None = None) -> dict[str, str]:
    """Each file that the list follows from, with a hash of it."""
    root = checkout or CHECKOUT
    found = [path for pattern in SOURCES for path in root.glob(pattern)]
    return {path.relative_to(root).as_posix(): accesslist.digest(path.read_bytes()) for path in sorted(found)}


def text(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The file, with a line for each object."""
    sections = []
    for name in sorted(found):
        lines = [
            f"  {json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in sorted(found[name].items())
        ]
        sections.append(f" {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def since(commit: str) -> list[AccessChange]:
    """What differs from another commit.

    :raises CommandError: where git has none, or the list isn't of this checkout
    """
    before, after = base(commit), current()
    # Of sections that an older list hasn't, nothing is known.
    known = {name: section for name, section in after.items() if name in before}
    was, now = accessbuckets.compared(accessbuckets.found(_files_of(commit)), accessbuckets.found(_files()))
    return changes({**before, "buckets": was}, {**known, "buckets": now})


def current() -> dict[str, Any]:
    """The list of this checkout.

    :raises OutOfDateError: where a file was changed that it is made of
    :raises CommandError: where it can't be read
    """
    try:
        found = dict(json.loads(FILE.read_text()))
    except (OSError, ValueError) as error:
        raise CommandError(f"{FILE.name}: can't be read ({error}); run make golden") from None
    noted, there = found.get(MADE_OF, {}), made_of(CHECKOUT)
    differing = sorted(path for path in noted.keys() | there.keys() if noted.get(path) != there.get(path))
    if differing:
        more = f" and {len(differing) - 1} more files" if len(differing) > 1 else ""
        raise OutOfDateError(f"sql/access.json is out of date: {differing[0]}{more} changed since; run make golden")
    return found


def _files() -> dict[str, str]:
    """The project's file and those of the stacks, in this checkout."""
    return {path.name: path.read_text() for path in sorted(CHECKOUT.glob("Pulumi*.yaml"))}


def _files_of(commit: str) -> dict[str, str]:
    """The same at a commit."""
    names = _git(commit, "ls-tree", "--name-only", commit).splitlines()
    wanted = [name for name in names if name == accessbuckets.PROJECT or accessbuckets.stack_of(name)]
    return {name: _git(commit, "show", f"{commit}:{name}") for name in wanted}


def base(commit: str, path: Path | None = None) -> dict[str, Any]:
    """The list of another commit.

    :raises CommandError: where git has none
    """
    if not commit:
        raise CommandError("--base '': must be a commit")
    named = (path or FILE).relative_to(CHECKOUT).as_posix()
    found = _git(commit, "show", f"{commit}:{named}")
    try:
        return dict(json.loads(found))
    except ValueError:
        raise CommandError(f"--base {commit}: its {named} is no list") from None


def _git(commit: str, command: str, *words: str) -> str:
    # A name that begins with a dash would be an option.
    done = subprocess.run(
        ["git", "-C", str(CHECKOUT), command, *words[:-1], "--end-of-options", words[-1]],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr.split()).removeprefix("fatal: ")
        raise CommandError(f"--base {commit}: {said or 'git has no such commit'}")
    return done.stdout


def widened(found: list[AccessChange]) -> bool:
    """Whether somebody reaches more, or may."""
    return any(each.direction != "less" for each in found)


def as_json(found: list[AccessChange]) -> str:
    """For scripts."""
    changes = redaction.everywhere([asdict(each) for each in found])
    return json.dumps({"widened": widened(found), "changes": changes}, indent=2)

"""The numbers after all others, for migrations whose number another branch has taken."""

from collections.abc import Sequence
from pathlib import Path

from declared.naming import STEP_FILE
from declared.sqlfiles import sql_files
from ops.errors import CommandError
from ops.new.files import FileChanges
from ops.new.migration import FOLDER

HALVES = ("up", "down")


def plan(root: Path, names: Sequence[str]) -> FileChanges:
    """The files of migrations under their new names, in the order given; of their text the header's number changes.

    Args:
        names: each `NNNN_words`, or its words alone where they are one migration's.

    :raises CommandError: for a migration that isn't there or is named twice, and where all have such numbers already
    """
    change = FileChanges(root)
    there = {path.name for path in sql_files(root / FOLDER)}
    if others := sorted(name for name in there if not STEP_FILE.fullmatch(name)):
        raise CommandError(f"{FOLDER}/{others[0]}: the name must be NNNN_words.up.sql or NNNN_words.down.sql")
    all_names = {name.split(".")[0] for name in there}
    moved = [_find(all_names, name) for name in names]
    if len({*moved}) < len(moved):
        raise CommandError("a migration is named twice; nothing was changed")
    taken = {int(name[:4]): name for name in all_names - {*moved}}
    last = max(taken, default=0)
    for name in moved:
        # One that another branch has as well is still there without it.
        if int(name[:4]) < last and int(name[:4]) not in taken:
            raise CommandError(
                f"{FOLDER}/{name}: no other migration has its number, which would be missing before {taken[last]}; "
                "only one whose number another branch has taken gets a new one"
            )
    for number, old in enumerate(moved, start=last + 1):
        new = f"{number:04}{old[4:]}"
        for half in HALVES if new != old else ():
            text = change.text(f"{FOLDER}/{old}.{half}.sql")
            if not text.startswith(f"-- {old[:4]} "):
                raise CommandError(f"{FOLDER}/{old}.{half}.sql:1: the header must begin `-- {old[:4]} `")
            change.make(f"{FOLDER}/{new}.{half}.sql", f"-- {new[:4]} {text[8:]}")
            change.gone.append(f"{FOLDER}/{old}.{half}.sql")
    if not change.made:
        raise CommandError(f"{', '.join(moved)}: come after all others already")
    return change


def _find(names: set[str], wanted: str) -> str:
    found = sorted(name for name in names if wanted in (name, name.partition("_")[2]))
    if len(found) != 1:
        reason = "there is no such migration" if not found else f"there are {' and '.join(found)}; give the number too"
        raise CommandError(f"{FOLDER}: {wanted}: {reason}")
    return found[0]

"""A migration's two files, under the next number."""

import re

from declared import adopted, sqlfiles
from declared.settings import ADOPTED
from ops.errors import CommandError
from ops.new.files import FileChanges

FOLDER = sqlfiles.MIGRATIONS.folder
WORDS = re.compile(r"[a-z][a-z0-9_]{0,59}")
UP = """\
-- {number} {words}: what it is for.
-- Lock: which locks it takes, and on what. Duration: how long it holds them.
-- Down: what a rollback loses; or else, word for word, loses nothing.
"""
DOWN = """\
-- {number} {words}: what is no longer so.
-- Lock: which locks it takes, and on what. Duration: how long it holds them.
-- Down: what a rollback loses; or else, word for word, loses nothing.
"""


def plan(change: FileChanges, words: str, up: str = UP, down: str = DOWN, folder: str = FOLDER) -> str:
    """Add both scripts to a change; the migration's name.

    Args:
        up, down: the scripts, with `{number} {words}` in the first line.
        folder: where the migrations are.

    :raises CommandError: for a bad or a taken name
    :raises SqlFileError: where a migration that is there already breaks a rule, as a half-made one does
    """
    if not WORDS.fullmatch(words):
        raise CommandError(
            f"{words!r} is no name of a migration; it has a-z, 0-9 and _, a letter first, at most 60 characters, "
            "such as add_tags"
        )
    steps = sqlfiles.steps(change.root / folder)
    for step in steps:
        if step.name.partition("_")[2] == words:
            raise CommandError(f"{folder}/{step.name}.up.sql: has this name already; choose another one")
    if len(steps) >= 9999:
        raise CommandError(f"{folder}: has all the numbers of four digits")
    number = f"{len(steps) + 1:04}"
    for direction, text in (("up", up), ("down", down)):
        header = text.replace("{number} {words}", f"{number} {words}", 1)
        change.make(f"{folder}/{number}_{words}.{direction}.sql", header)
    return f"{number}_{words}"


def of_adopted(folder: str) -> str:
    """Where the migrations of an adopted database are.

    :raises CommandError: for what can't be such a folder
    """
    if not ADOPTED.fullmatch(folder):
        raise CommandError(f"--adopted {folder!r}: must be a folder that ./vpb adopt has written, such as adopted/shop")
    return adopted.migrations(folder).folder

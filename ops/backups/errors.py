"""What is wrong with a backup, or stands in its way."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops.errors import CommandError


class BackupError(CommandError):
    """A backup can't be made, read or restored; nothing is known against the backup itself."""


class BadBackup(BackupError):
    """A backup isn't what it has to be; the text names the part."""


class NotOpened(BadBackup):
    """None of the identities that were given opens a part, which says nothing of the backup itself."""


@contextmanager
def blamed(id: str) -> Iterator[None]:
    """What is wrong with a part is said of its backup: there are others."""
    try:
        yield
    except BadBackup as error:
        raise type(error)(f"backup {id}: {error}") from None

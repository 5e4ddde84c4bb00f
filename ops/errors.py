"""What stands in the way of a command."""

import sys

from declared.errors import UserError, file_refused, printable


class CommandError(UserError):
    """A command can't be carried out."""


class Interrupted(CommandError):
    """Ctrl-C, where running it again doesn't go on; the line says what is left."""


def answered(error: Exception) -> str | None:
    """What the database, AWS or a file system has said no with, in one line; None for an error of another kind.

    Of the database the message alone: what follows it may repeat what was sent.
    """
    # What has met one of them has loaded its module, and AWS' takes half a second.
    psycopg, botocore = sys.modules.get("psycopg"), sys.modules.get("botocore.exceptions")
    if psycopg and isinstance(error, psycopg.Error):
        gone = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        said = error.diag.message_primary or (str(error) if gone else "") or type(error).__name__
        return f"database: {said.strip().splitlines()[0]}"
    if botocore and isinstance(error, botocore.BotoCoreError | botocore.ClientError):
        # S3 names the bucket beside its text alone.
        missing = getattr(error, "response", {}).get("Error", {}).get("BucketName")
        return f"AWS: {f'bucket {printable(missing)}: ' if missing else ''}{' '.join(str(error).split())}"
    return file_refused(error)

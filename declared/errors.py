"""The root of every error that a user sees."""

import errno

# What a file system says no with.
FILES = {
    errno.EACCES,
    errno.EBUSY,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EISDIR,
    errno.ELOOP,
    errno.EMFILE,
    errno.ENAMETOOLONG,
    errno.ENFILE,
    errno.ENODEV,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
    # Of a file system on a network.
    errno.ENOTCONN,
    errno.ESTALE,
    errno.ETIMEDOUT,
}


class UserError(Exception):
    """Something in the way of what was asked for; the text is the one line that the user sees."""


def file_refused(error: Exception) -> str | None:
    """What a file system has said no with, in one line; None for an error of another kind."""
    if not isinstance(error, OSError) or error.errno not in FILES:
        return None
    return ": ".join(str(part) for part in (error.filename, error.strerror) if part)


def printable(text: str) -> str:
    """A name of a file or of an object as it can be shown: it can hold anything, also what steers a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)

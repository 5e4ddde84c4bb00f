"""What the program declares of `sql/`: read once and whole, before any resource is registered."""

import pulumi

import sqlfiles
from sqlfiles import SqlFiles


class BrokenRule(pulumi.RunError):
    """A rule of `sql/` is broken: one line with file and line, without a stack trace."""


def read() -> SqlFiles:
    """All of it.

    :raises BrokenRule: for the first file that can't be used
    """
    try:
        return sqlfiles.read()
    except sqlfiles.SqlFileError as error:
        raise BrokenRule(str(error)) from None

"""What can go wrong, as the user reads it.

PluginError
├── NotConnected      the server isn't known yet
├── Unreachable       the server doesn't answer, or refuses the login
├── StatementFailed   PostgreSQL refused a statement
│   └── LockRefused   … since another session held a lock; another try can help
└── Refused           we refuse, before anything is touched
"""

import psycopg

from plugin.errors import PluginError

HINTS = {
    "42501": "the login lacks the right; run with the login that owns the object",
    "55P03": "another session held the lock too long; run again when it is done",
    "57014": "the statement took longer than its limit",
    "53100": "the server's disk is full; free some space and run again",
    "25001": "give the step the header line `-- Run: outside a transaction.`",
    "2BP01": "something still depends on it; remove that first",
}


CUT_OFF = "the server ended the connection; nothing of this step was kept, run again"


class NotConnected(PluginError):
    """the server's address isn't known yet; this can't be done in a preview of its creation"""


class Unreachable(PluginError):
    """the server doesn't answer, or refuses the login"""


class StatementFailed(PluginError):
    """PostgreSQL refused a statement"""


class LockRefused(StatementFailed):
    """another session held a lock too long"""


class Refused(PluginError):
    """what was asked for would destroy or overwrite something that isn't ours"""


def one_line(error: psycopg.Error, label: str, place: str | None = None) -> PluginError:
    """The error as one line: the object, what PostgreSQL said, its code, where, what to do.

    `str(error)` is never used: it repeats the statement, and with it whatever secret it held.
    """
    message = error.diag.message_primary
    if message is None:
        return StatementFailed(f"{label}: {CUT_OFF}")
    # A message raised by a function can have line breaks.
    parts = [f"{label}: {' '.join(message.split())} ({error.sqlstate})"]
    if error.sqlstate == "2BP01" and error.diag.message_detail:
        parts.append("; ".join(error.diag.message_detail.splitlines()[:3]))
    parts += [part for part in (place, HINTS.get(error.sqlstate or "")) if part]
    return StatementFailed(", ".join(parts))

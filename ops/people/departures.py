"""Who has left: the list to keep beside backups, and to apply to a database that one of them has brought back."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from ops.database import connect
from ops.environment import Environment
from ops.errors import CommandError

LIST = "select user_id::text, departed_at::text, erased_at::text from ops.departures()"
WAITING = "select people, oldest::text, erased_rows from ops.waiting_departures()"
APPLICATION = "vpb departures"
DEPART = "select ops.depart(%s)"


def known(environment: Environment) -> dict[str, Any]:
    """Everybody who has left, and of how many something is still to be deleted.

    :raises CommandError: where the database can't be asked
    """
    with connect(environment.admin_url, APPLICATION) as connection:
        people = connection.execute(LIST).fetchall()
        waiting, oldest, rows = connection.execute(WAITING).fetchone() or (0, None, 0)
    names = ("user_id", "departed_at", "erased_at")
    return {
        "departures": [dict(zip(names, each, strict=True)) for each in people],
        "waiting": waiting,
        "oldest": oldest,
        "erased_rows": rows,
    }


def listed(path: Path) -> list[UUID]:
    """Everybody on a kept list.

    :raises CommandError: where the file is no such list
    """
    try:
        return [UUID(each["user_id"]) for each in json.loads(path.read_text())["departures"]]
    except OSError as error:
        raise CommandError(f"list {path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandError(f"list {path} is none that `./vpb people departures --json` has written") from None


def apply(environment: Environment, people: list[UUID]) -> int:
    """Let all these people leave again; how many accounts there were.

    :raises CommandError: where the database can't be asked
    """
    gone = 0
    with connect(environment.admin_url, APPLICATION) as connection:
        # One after the other: a small account goes altogether here.
        for person in people:
            gone += (connection.execute(DEPART, ([person],)).fetchone() or (0,))[0]
    return gone

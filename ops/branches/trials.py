"""Whether a provisioned clone lets people in and keeps them apart, as a restore drill tries it; all of it undone."""

from collections.abc import Sequence

import psycopg

from declared import connectionurl
from ops import rotation
from ops.backups import smoke
from ops.backups.drill import FAILED, Check, compared_as
from ops.branches.copying import APPLICATION
from ops.database import connect
from run import engine

TRIALS = {"access": smoke.access, "sign-in": smoke.sign_in}


def tried(stack: str) -> list[Check]:
    """
    :raises EngineError: where there is no such stack
    """
    engine.require(stack)
    found = []
    with connect(connectionurl.compose(rotation.provisioning(stack)), APPLICATION) as session:
        for name, trial in TRIALS.items():
            try:
                good, wrong = trial(session)
            except psycopg.Error as error:
                good, wrong = "", [str(error.diag.message_primary or error)]
            found.append(compared_as(name, wrong, good))
    return found


def failed(found: Sequence[Check]) -> bool:
    """Whether one ended otherwise than it has to."""
    return any(each.result == FAILED for each in found)

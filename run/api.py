"""The API in front of a stack's database, as `database:api` says: started after `up`, stopped where it says no more."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import toolchain
from declared import connectionurl
from declared.connectionurl import Parameters
from run.state import EngineError
from targets import ApiStart, Target
from toolchain import postgrest


def program() -> Path:
    """PostgREST, downloaded once.

    :raises EngineError: where it can't be had
    """
    try:
        return postgrest.ensure(toolchain.context_of())
    except toolchain.ToolchainError as error:
        raise EngineError(str(error)) from None


def follow(
    where: Target,
    stack: str,
    wanted: bool,
    outputs: Callable[[], Mapping[str, Any]],
    region: str,
    own: Parameters | None,
    say: Callable[[str], None],
) -> None:
    """Do what the setting says, after a run that may have changed the structure, logins and addresses.

    Args:
        outputs: reads those of the stack, secrets too.
        own: where the target's own server is now.
    :raises UserError: where the API doesn't start
    """
    if not wanted or not where.can.serve_api:
        where.withdraw_api(stack)
        return
    found = outputs()

    def login(name: str) -> Parameters:
        parameters = connectionurl.parse(found[name])
        if own is None:
            return parameters
        return {**parameters, "host": own["host"], "port": own["port"], **where.provisioning}

    start = ApiStart(
        program=str(program()),
        version=postgrest.version(),
        rest=login("api_url"),
        storage=login("storage_url"),
        bucket=str(found["object_bucket"]),
        region=region,
        largest=int(found["max_object_size"]),
    )
    where.serve(stack, start, say)

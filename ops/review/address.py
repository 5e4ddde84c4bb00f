"""Where the database of a stack is, for what asks it about pending migrations."""

from declared import connectionurl
from ops import outputs
from run import engine


def of(stack: str, given: str | None) -> str | None:
    """What was given, or DATABASE_URL, or what the outputs say; None where the stack has a server of this machine.

    :raises CommandError: where the stack has nothing yet
    """
    if url := connectionurl.given(given, "DATABASE_URL"):
        return url
    if engine.embedded(stack) and engine.target(stack).can.start_server:
        return None
    return connectionurl.compose(outputs.parameters(stack, outputs.connectable(stack), outputs.ADMIN))


def url(stack: str, given: str | None = None) -> str:
    """The same, of a server of this machine too.

    :raises CommandError: where the stack has nothing yet
    """
    found = of(stack, given)
    if found is not None:
        return found
    own = engine.own_parameters(stack)
    assert own is not None, "it has a server of this machine"
    return connectionurl.compose(own)

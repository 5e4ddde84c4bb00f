"""Where an environment lives. The only code that knows which target that is; all else asks what can be done there."""

from collections.abc import Callable

from declared.errors import UserError
from declared.settings import TARGETS
from targets.target import AwsEndpoint as AwsEndpoint
from targets.target import Can as Can
from targets.target import Service as Service
from targets.target import Target as Target


def _local() -> Target:
    # What it starts and stops is no other target's to import.
    from targets.local import Local

    return Local()


def _supabase() -> Target:
    from targets.supabase import Supabase

    return Supabase()


BUILT: dict[str, Callable[[], Target]] = {"local": _local, "supabase": _supabase}


class TargetError(UserError):
    """A target that there isn't."""


def of(name: str) -> Target:
    """The target that `database:target` names.

    :raises TargetError: for one that isn't built
    """
    if name not in TARGETS:
        raise TargetError(f"setting database:target is {name!r}; allowed is one of {', '.join(TARGETS)}")
    if name not in BUILT:
        raise TargetError(f"setting database:target is {name!r}; allowed is only {', '.join(BUILT)} so far")
    return BUILT[name]()

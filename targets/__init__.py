"""Where an environment lives. The only code that knows which target that is; all else asks what can be done there."""

from declared.errors import UserError
from declared.settings import TARGETS
from targets.local import Local
from targets.target import Aws as Aws
from targets.target import Can as Can
from targets.target import Target as Target

BUILT: dict[str, type[Target]] = {"local": Local}


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

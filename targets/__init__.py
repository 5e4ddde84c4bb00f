"""Where an environment lives. The only code that knows which target that is; all else asks what can be done there."""

from collections.abc import Callable

from declared.errors import UserError
from targets.target import Api as Api
from targets.target import ApiStart as ApiStart
from targets.target import AwsEndpoint as AwsEndpoint
from targets.target import Can as Can
from targets.target import OwnServer as OwnServer
from targets.target import Service as Service
from targets.target import Target as Target
from targets.target import Wanted as Wanted
from targets.target import Watching as Watching


def _local() -> Target:
    # What it starts and stops is no other target's to import.
    from targets.local import Local

    return Local()


def _supabase() -> Target:
    from targets.supabase import Supabase

    return Supabase()


def _aws() -> Target:
    # The commands beside Pulumi import targets too, and are to start without its SDK.
    from targets.aws import Aws

    return Aws()


def _aws_offline() -> Target:
    from targets.awsoffline import AwsOffline

    return AwsOffline()


BUILT: dict[str, Callable[[], Target]] = {"local": _local, "supabase": _supabase, "aws": _aws}
OFFLINE: dict[str, Callable[[], Target]] = {"aws": _aws_offline}


class TargetError(UserError):
    """A target that there isn't."""


def of(name: str, offline: bool = False) -> Target:
    """The target that `database:target` names.

    Args:
        offline: what `database:offline` says: whether what is elsewhere is played by this machine.

    :raises TargetError: for one that there isn't
    """
    if name not in BUILT:
        raise TargetError(f"setting database:target is {name!r}; allowed is one of {', '.join(BUILT)}")
    if offline and name not in OFFLINE:
        raise TargetError(f"setting database:offline is 'true'; allowed where database:target is {', '.join(OFFLINE)}")
    return (OFFLINE if offline else BUILT)[name]()

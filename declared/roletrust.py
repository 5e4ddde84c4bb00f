"""The setting of who may take a role at AWS: services that run something, and principals by their ARN."""

import re
from collections.abc import Mapping
from typing import Any

from declared.buckets import SettingError

# Who may be named to take which role; GuardDuty takes its own.
TRUSTING = ("server", "api", "scanner", "cleaner", "backup", "drill")
# A service → whether it says for which account it asks. EC2 and Lambda don't by any text of AWS: they give a role to
# what somebody of this account with iam:PassRole has started.
SERVICES = {
    "ec2.amazonaws.com": False,
    "ecs-tasks.amazonaws.com": True,
    "lambda.amazonaws.com": False,
    "pods.eks.amazonaws.com": True,
}
ARN = re.compile(r"arn:aws:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9+=,.@_/-]{1,512})")
FORM = (
    f"a map of {', '.join(TRUSTING)} to lists of services ({', '.join(SERVICES)}) and ARNs such as "
    "arn:aws:iam::123456789012:role/app"
)


def role_trust(value: Any) -> Mapping[str, tuple[str, ...]]:
    """Role → who may take it; a role that isn't named is taken by nobody.

    :raises SettingError: for anything else
    """
    fits = isinstance(value, dict) and all(
        role in TRUSTING and isinstance(names, list) and names and all(map(_known, names))
        for role, names in value.items()
    )
    if not fits:
        raise SettingError("roleTrust", value, FORM)
    return {role: tuple(names) for role, names in value.items()}


def _known(name: Any) -> bool:
    return isinstance(name, str) and (name in SERVICES or ARN.fullmatch(name) is not None)

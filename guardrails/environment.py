"""What sort of environment a stack is, and what is excepted there, by its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass

import targets
from declared import settings
from declared.exceptions import SETTING, GuardrailException, exceptions

PRODUCTION = "prod"


@dataclass(frozen=True)
class Environment:
    """What rules go by beside the resources."""

    stack: str
    kept: bool
    """Whether its data is kept: `database:protectData` says so, or the target's data isn't disposable."""
    production: bool
    """Whether it is called prod or prod-…, or takes only what another stack has had (`database:promotedFrom`)."""
    exceptions: tuple[GuardrailException, ...]

    @classmethod
    def of(cls, stack: str, given: Mapping[str, object]) -> "Environment":
        """
        Args:
            given: the stack's configuration, by namespace and key; a list is one, or its JSON.

        :raises ExceptionError: for exceptions that can't be used
        :raises TargetError: for a target that there isn't
        """
        offline = str(settings.one(given, "offline")).lower() == "true"
        said = str(settings.one(given, "protectData")).lower()
        kept = said == "true" or (
            said != "false" and not targets.of(str(settings.one(given, "target")), offline).disposable
        )
        return cls(
            stack,
            kept,
            stack == PRODUCTION or stack.startswith(f"{PRODUCTION}-") or bool(settings.one(given, "promotedFrom")),
            exceptions(settings.listed(given.get(SETTING) or [])),
        )

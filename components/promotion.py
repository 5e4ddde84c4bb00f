"""The gate between stacks: what the stack before this one hasn't had is refused before anything of it is made."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi.runtime

from declared import permissions, promotion
from declared.permissions import Permission
from declared.promotion import UNPROMOTED, WENT_ON

OUTPUT = "deployed"
NAMED = 5
OF_DATABASE = "pg:index:"


class Promotion:
    """Whether the declaration may be made here."""

    forced: pulumi.Output[Mapping[str, Any]] | None = None
    """What is made although the stack before hasn't had it, each with its digest `of` and the `reason` why."""
    resources = 0
    """How many of the database have been declared so far; made before the first of them."""

    def __init__(self, before: str, declared: Mapping[str, Any], permission: Permission | None) -> None:
        """
        Args:
            before: the stack that has to have had it; an empty text where none has.
            permission: what lets it pass all the same.
        """
        self._before, self._declared, self._permission = before, declared, permission
        if before == pulumi.get_stack():
            raise pulumi.RunError(f"setting database:promotedFrom is {before}, this stack itself; name the one before")
        pulumi.runtime.register_stack_transformation(self._see)
        if before:
            name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{before}"
            passed = pulumi.StackReference("promoted-from", stack_name=name).get_output(OUTPUT)
            self.forced = passed.apply(self._checked)

    def _see(self, seen: pulumi.ResourceTransformationArgs) -> None:
        self.resources += seen.type_.startswith(OF_DATABASE)

    def gated(self, value: pulumi.Output[str]) -> pulumi.Output[str]:
        """`value`, once the declaration may be made; the run fails with one line where it may not."""
        if self.forced is None:
            return value
        return pulumi.Output.all(value, self.forced).apply(lambda both: both[0])

    def _checked(self, passed: Any) -> Mapping[str, Any]:
        found = promotion.lacking(passed, self._declared)
        if not found:
            return {}
        what = ", ".join([*found][:NAMED]) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
        said = f"stack {self._before} hasn't had {what}"
        if self._permission is None or self._permission.expired:
            raise pulumi.RunError(
                f"{said}: run `up` there first, and here again; if it is meant: {permissions.way(UNPROMOTED)}"
            )
        pulumi.log.warn(f"{said}{WENT_ON}{self._permission.reason}")
        return {what: {"of": of, "reason": self._permission.reason} for what, of in found.items()}

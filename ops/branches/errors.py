"""What stands in the way of a preview environment."""

from ops.errors import CommandError


class BranchError(CommandError):
    """A template, a copy or a preview environment can't be made, used or removed."""

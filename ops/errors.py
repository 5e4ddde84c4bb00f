"""What stands in the way of a command."""

from declared.errors import UserError


class CommandError(UserError):
    """A command can't be carried out."""

"""The one error of all plugins, in a module that loads nothing else."""

from declared.errors import UserError


class PluginError(UserError):
    """Something the user can act on; its text is the one line that the user reads."""

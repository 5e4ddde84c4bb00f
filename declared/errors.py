"""The root of every error that a user sees."""


class UserError(Exception):
    """Something in the way of what was asked for; the text is the one line that the user sees."""

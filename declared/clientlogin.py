"""A login as one of PostgreSQL's programs is given it: no secret is seen in the list of processes."""

from declared import connectionurl, tunnel
from declared.connectionurl import Parameters
from declared.errors import UserError

# Parameter → the variable in its place; `options` may have the key of sealed tokens.
HIDDEN = {"password": "PGPASSWORD", "options": "PGOPTIONS"}


class NotHidden(UserError):
    """A secret that the programs read nowhere but on their command line."""


def client_login(where: Parameters) -> tuple[str, dict[str, str]]:
    """What the command line has, by way of the tunnel that is open, and what the environment has beside ours.

    :raises NotHidden: for `sslpassword`
    """
    if "sslpassword" in where:
        raise NotHidden("sslpassword, which PostgreSQL's programs take on their command line alone")
    shown = {name: value for name, value in tunnel.through(where).items() if name not in HIDDEN}
    secret = {variable: where[name] for name, variable in HIDDEN.items() if where.get(name)}
    return connectionurl.compose(shown), secret

"""How large the pool of the API is, by the limits of the server."""

from dataclasses import dataclass

from declared.roles import AUTHENTICATOR, SECOND
from ops.database import Connection

# Of the API's logins, those that share a pool: another login sets options for its sessions, or holds locks.
LOGINS = (AUTHENTICATOR, SECOND[AUTHENTICATOR])
LIMITS = """
select current_setting('max_connections')::integer,
       current_setting('superuser_reserved_connections')::integer
       + coalesce(current_setting('reserved_connections', true)::integer, 0),
       coalesce(sum(r.rolconnlimit) filter (where r.rolcanlogin and r.rolconnlimit > 0
           and r.rolname <> all(%s) and r.rolname !~ '_2$'), 0)::integer
  from pg_catalog.pg_roles as r"""
# A core works at one statement at a time; the others wait for the client or for locks.
PER_CORE = 4
LEAST = 2
# As long as the API waits for a statement.
PATIENCE = 8


@dataclass(frozen=True)
class Sizes:
    """The numbers of a configuration, each with its reason."""

    pool: int
    """Sessions of the server, shared by all clients of a login."""
    reserve: int
    """So many more, where a client has waited for three seconds."""
    clients: int
    """How many clients may be connected."""
    reasons: tuple[str, ...]


def of(connection: Connection, cores: int | None, clients: int) -> Sizes:
    """The sizes for a server.

    Args:
        connection: any session in it.
        cores: of the server; where nobody says so, a third of its connections is the pool.
        clients: how many are to be served.
    """
    found = connection.execute(LIMITS, (list(LOGINS),)).fetchone()
    assert found
    most, reserved, others = found
    room = most - reserved
    third = room // 3
    pool = max(LEAST, min(third, PER_CORE * cores) if cores else third)
    reserve = max(1, pool // 10)
    reasons = (
        f"max_connections = {most}, {reserved} of them reserved for superusers: {room} for logins",
        f"the other logins may take {others} (their limits), and seldom do at the same time",
        f"a third of {room} is {third}"
        + (f"; {PER_CORE} for each of {cores} cores are {PER_CORE * cores}" if cores else ""),
        f"so {pool} for the API, and {reserve} more for a while",
    )
    return Sizes(pool, reserve, clients, reasons)

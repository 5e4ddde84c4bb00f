"""How the pools of a running PgBouncer are, as metrics of the health."""

import psycopg

from declared import connectionurl
from ops.errors import CommandError
from ops.pooler import files

DATABASE = "pgbouncer"
TIMEOUT = 5


def metrics(monitor_url: str, address: str) -> list[tuple[str, str, float, str]]:
    """Metric, object, value and detail of each pool.

    Args:
        monitor_url: the login that may ask, and its password.
        address: host and port of PgBouncer.

    :raises CommandError: where it doesn't answer, or refuses the login
    """
    host, port = files.address("--pooler", address)
    login = connectionurl.parse(monitor_url)
    where = {"user": login["user"], "password": login["password"], "host": host, "port": str(port)}
    try:
        with psycopg.connect(
            connectionurl.compose({**where, "dbname": DATABASE}),
            autocommit=True,
            connect_timeout=TIMEOUT,
            cursor_factory=psycopg.ClientCursor,
        ) as connection:
            pools, sizes = _shown(connection, "pools"), _shown(connection, "databases")
    except psycopg.Error as error:
        said = connectionurl.failure(error)
        raise CommandError(f"pooler {address}: {said}; check that it runs, and that users.txt is of now") from None
    most = {each["name"]: int(each["pool_size"]) for each in sizes}
    return [
        row for pool in pools if pool["database"] in most and pool["database"] != DATABASE for row in _of(pool, most)
    ]


def _shown(connection: psycopg.Connection[tuple[object, ...]], what: str) -> list[dict[str, str]]:
    cursor = connection.execute(f"show {what}".encode())
    assert cursor.description
    names = [column.name for column in cursor.description]
    return [dict(zip(names, map(str, row), strict=True)) for row in cursor.fetchall()]


def _of(pool: dict[str, str], most: dict[str, int]) -> list[tuple[str, str, float, str]]:
    name = f"{pool['database']} {pool['user']}"
    used = sum(int(pool.get(state) or 0) for state in ("sv_active", "sv_tested", "sv_login"))
    waits = int(pool["maxwait"]) + int(pool["maxwait_us"]) / 1e6
    clients = f"{pool['cl_active']} clients at work, {pool['cl_waiting']} wait"
    return [
        ("pool_used", name, used / max(1, most[pool["database"]]), f"{used} of {most[pool['database']]}; {clients}"),
        ("pool_wait", name, waits, clients),
    ]

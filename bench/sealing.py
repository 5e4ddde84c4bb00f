"""What the sealing of tokens costs: linking, reading and signing in, with a key and without, in one run.

`python -m bench.sealing`. An account has three tokens of 1,000 characters.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from harness import scratch
from local import postgres
from provider import openpgp

ADA = "00000000-0000-7000-8000-00000000000a"
ROUNDS = 300
LINK = (
    'insert into accounts ("userId", provider, type, "providerAccountId", access_token, refresh_token, id_token) '
    f"values ('{ADA}', 'github', 'oidc', %s, %s, %s, %s) returning *"
)
ONE = "select access_token from accounts where provider = 'github' and \"providerAccountId\" = %s"
ALL = "select * from accounts where provider = 'github' and \"providerAccountId\" = %s"
SIGN_IN = (
    'select u.* from users u join accounts a on u.id = a."userId" '
    "where a.provider = 'github' and a.\"providerAccountId\" = %s"
)

Connection = psycopg.Connection[tuple[Any, ...]]


def main() -> None:
    """Print a table of milliseconds."""
    programs = postgres.wheel_binaries()
    with tempfile.TemporaryDirectory() as folder:
        server = postgres.ensure(Path(folder), programs, {"fsync": "off"})
        try:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                print("| | not sealed | sealed |\n|---|---|---|")
                for name, (before, after) in _measured(connection, server.url()).items():
                    print(f"| {name} | {before:.2f} ms | {after:.2f} ms |")
        finally:
            postgres.remove(Path(folder), programs)


def _measured(connection: Connection, url: str) -> dict[str, tuple[float, float]]:
    scratch.complete(url)
    connection.execute("insert into next_auth.users (id, email) values (%s, 'ada@example.org')", (ADA,))
    pair = openpgp.generate()
    with psycopg.connect(url, options=f"-c vpb.keys=k1:{pair.private}", autocommit=True) as session:
        session.execute("set search_path = authjs; set role authjs")
        plain = _timed(session, "plain")
        connection.execute("insert into private.sealing_keys values ('k1', 0, decode(%s, 'base64'))", (pair.public,))
        sealed = _timed(session, "sealed")
    return {name: (plain[name], sealed[name]) for name in plain}


def _timed(session: Connection, prefix: str) -> dict[str, float]:
    tokens = ["x" * 1000] * 3
    found = {"link an account": _mean(lambda id: session.execute(LINK.encode(), (id, *tokens)), prefix)}
    reads = {"sign in: the person of an account": SIGN_IN, "read one token": ONE, "read the whole account": ALL}
    return found | {name: _mean(partial(_read, session, query), prefix) for name, query in reads.items()}


def _read(session: Connection, query: str, id: str) -> None:
    session.execute(query.encode(), (id,)).fetchall()


def _mean(action: Callable[[str], Any], prefix: str) -> float:
    started = time.perf_counter()
    for number in range(ROUNDS):
        action(f"{prefix} {number}")
    return (time.perf_counter() - started) / ROUNDS * 1000


if __name__ == "__main__":
    main()

"""The drift check of the snapshot: `python -m bench.drift [TABLES …]`.

Against `pg_dump --schema-only`, which only reads what we also compare, in the same run on the same server. The check
runs in a process of its own, as the plugin does, so that its memory is its own; best of three.
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench import world
from declared.connectionurl import compose
from declared.paths import CHECKOUT
from declared.schemas import HISTORY_SCHEMA
from local import postgres
from plugin.server import Context
from provider.connection import ConnectionInfo, Connections
from provider.resources.snapshot import SchemaSnapshot

SIZES = (100, 1000, 5000)
ROUNDS = 3
INPUTS = {"name": "schema", "schemas": sorted([*world.SCHEMAS, HISTORY_SCHEMA])}
BATCH = 50
MIB = 1024


@dataclass
class Answer:
    """What one process found, how long it took and the most memory it held."""

    seconds: float
    mib: float
    result: Any


async def _call(info: ConnectionInfo, method: str, arguments: list[Any]) -> Any:
    async def log(urn: str, message: str, ephemeral: bool) -> None:
        pass

    kind = SchemaSnapshot()
    kind.connections = Connections(info)
    try:
        return await getattr(kind, method)(Context("", log), *arguments)
    finally:
        await kind.connections.close()


def child() -> None:
    """One call, given on standard input, in this process; the connection is part of its time."""
    order = json.load(sys.stdin)
    info = ConnectionInfo.of(order["info"])
    started = time.perf_counter()
    result = asyncio.run(_call(info, order["method"], order["arguments"]))
    seconds = time.perf_counter() - started
    state = result.state if order["method"] == "read" else result[1]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    json.dump(asdict(Answer(seconds, memory, state)), sys.stdout)


def _in_child(info: ConnectionInfo, method: str, *arguments: Any) -> Answer:
    order = {"info": info.url, "method": method, "arguments": arguments}
    command = [sys.executable, "-m", "bench.drift", "child"]
    run = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=True, cwd=CHECKOUT)
    return Answer(**json.loads(run.stdout))


def _best(call: Callable[[], Answer]) -> Answer:
    return min((call() for _ in range(ROUNDS)), key=lambda answer: answer.seconds)


def _dump(info: ConnectionInfo, programs: Path) -> Answer:
    command = [str(programs / "pg_dump"), "--schema-only", "-d", compose({**info.given, "password": ""})]
    started = time.perf_counter()
    subprocess.run(command, env={"PGPASSWORD": info.given["password"]}, stdout=subprocess.DEVNULL, check=True)
    return Answer(time.perf_counter() - started, 0, None)


def _build(info: ConnectionInfo, tables: int) -> None:
    with psycopg.connect(info.url, autocommit=True) as connection:
        connection.execute((world.roles() + ";" + world.COMMON).encode())
        for first in range(1, tables + 1, BATCH):
            connection.execute(world.tables(first, min(tables, first + BATCH - 1)).encode())
        connection.execute("analyze")


def measure(server: postgres.RunningServer, programs: Path, tables: int) -> list[str]:
    """One size, as rows of the table that is printed."""
    info = ConnectionInfo(server.parameters(f"drift_{tables}"))
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template template0").format(sql.Identifier(info.database)))
    _build(info, tables)
    taken = _in_child(info, "create", INPUTS, False)
    state = taken.result
    unchanged = _best(lambda: _in_child(info, "read", "schema", state, INPUTS))
    with psycopg.connect(info.url, autocommit=True) as connection:
        connection.execute("create table public.came (id int); drop table public.came")
        alarmed = _best(lambda: _in_child(info, "read", "schema", state, INPUTS))
        for change in world.CHANGES:
            connection.execute(change.statement.encode())
    found = _best(lambda: _in_child(info, "read", "schema", state, INPUTS))
    keys = {change.key.format(user=server.user) for change in world.CHANGES}
    named = len(keys & found.result["drift"].keys())
    dump = _best(lambda: _dump(info, programs))
    assert not unchanged.result["drift"]
    assert not alarmed.result["drift"]
    rows = {
        "pg_dump --schema-only": (dump, ""),
        "unchanged": (unchanged, "the gate"),
        "false alarm": (alarmed, "nothing differs"),
        "30 changes manually": (found, f"{named} of {len(keys)} named"),
        "taking the snapshot": (taken, ""),
    }
    return [
        f"{tables:>6}  {what:<22} {answer.seconds:7.3f} s  {answer.seconds / dump.seconds:5.2f} x  "
        f"{f'{answer.mib:.0f} MiB' if answer.mib else '':>8}  {note}"
        for what, (answer, note) in rows.items()
    ]


def main(sizes: list[int]) -> None:
    """Measure on a server of its own, with the default durability."""
    programs = postgres.wheel_binaries()
    with tempfile.TemporaryDirectory(prefix="vpb-bench-drift-") as name:
        folder = Path(name)
        server = postgres.ensure(folder, programs, {"max_locks_per_transaction": "1024"})
        try:
            print("tables  what                      time     to pg_dump  memory  result")
            for size in sizes:
                print("\n".join(measure(server, programs, size)), flush=True)
        finally:
            postgres.remove(folder, programs)


if __name__ == "__main__":
    if sys.argv[1:] == ["child"]:
        child()
    else:
        main([int(word) for word in sys.argv[1:]] or list(SIZES))

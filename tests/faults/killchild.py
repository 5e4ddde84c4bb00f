"""One run of the provider without the engine, in a process that can be killed: `python -m tests.faults.killchild`.

Three resources, as in the program: the snapshot, a folder of migrations, the checkpoint. What the engine would have in
its state lies in a JSON file, written after each resource. The order is one JSON line on standard input, so that the
process can be started before it is needed; the answer is one on standard output.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from declared import sqlfiles
from plugin.errors import PluginError
from plugin.server import Context
from provider.connection import ConnectionInfo, Connections
from provider.holding import DESTROY
from provider.resources.base import ObjectKind
from provider.resources.migrations import MigrationSet
from provider.resources.snapshot import SchemaCheckpoint, SchemaSnapshot
from tests.faults.definitions import NAME as SNAPSHOT

STACK = "kills"
MIGRATIONS = MigrationSet.token


@dataclass(frozen=True)
class Order:
    """What a run is to do.

    Args:
        folder: the migrations, an absolute path.
        state: the file that stands for the engine's state.
        count: how many of the migrations are declared; 0 takes all of them back, -1 is a destroy.
        stop: before which message to the server the process stops itself, to be killed there; 0 for never.
        checked: whether the snapshot and the checkpoint stand around it; without them it is as `./vpb migrate`.
    """

    url: str
    folder: str
    state: str
    count: int
    stop: int = 0
    checked: bool = True


@dataclass(frozen=True)
class Answer:
    """How a run ended: without an error, with one line, or with what is no line for a user."""

    error: str = ""
    ugly: bool = False
    messages: int = 0
    said: list[str] = field(default_factory=list)


class Few:
    """The three resources, each known by what the state file has of it."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.said: list[str] = []
        self._path = Path(order.state)
        self._state: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._connections = Connections(ConnectionInfo.of(order.url))

    async def run(self) -> None:
        """The run, to its end or to what stands in its way."""
        try:
            if self.order.count < 0:
                await self._destroy()
            else:
                await self._up()
        finally:
            await self._connections.close()

    async def _up(self) -> None:
        found = sqlfiles.steps(Path(self.order.folder))
        steps = {step.name: step.checksum for step in found[: self.order.count]}
        if self.order.checked:
            await self._bring(SchemaSnapshot(), {"name": SNAPSHOT, "schemas": ["public", "supabase_migrations"]})
        await self._bring(MigrationSet(), {"folder": self.order.folder, "steps": steps})
        if self.order.checked:
            await self._bring(SchemaCheckpoint(), {"snapshot": SNAPSHOT, "of": f"{len(steps)} migrations"})

    async def _bring(self, kind: ObjectKind, inputs: dict[str, Any]) -> None:
        """What the engine does with a resource of the program: refresh, then create or update."""
        context = self._ready(kind)
        known = self._state.get(kind.token)
        if known:
            read = await kind.read(context, known["id"], known["state"], known["inputs"])
            known = {"id": read.id, "state": read.state, "inputs": read.inputs} if read else None
        new, failures = await kind.check(context, known["inputs"] if known else {}, inputs)
        if failures:
            raise PluginError(failures[0].reason)
        if known is None:
            id, state = await kind.create(context, new, False)
        elif (await kind.diff(context, known["id"], known["state"], new)).changes:
            id, state = known["id"], await kind.update(context, known["id"], known["state"], new, False)
        else:
            id, state = known["id"], known["state"]
        self._note(kind.token, {"id": id, "state": state, "inputs": new})

    async def _destroy(self) -> None:
        os.environ[DESTROY] = STACK
        for kind in (SchemaCheckpoint(), MigrationSet(), SchemaSnapshot()):
            if known := self._state.get(kind.token):
                await kind.delete(self._ready(kind), known["id"], known["state"])
                self._note(kind.token, None)

    def _ready(self, kind: ObjectKind) -> Context:
        kind.connections = self._connections
        if isinstance(kind, MigrationSet):
            kind.root = Path()

        async def log(urn: str, message: str, ephemeral: bool) -> None:
            if not ephemeral:
                self.said.append(message)

        return Context(urn(kind.token), log)

    def _note(self, token: str, known: Mapping[str, Any] | None) -> None:
        self._state.pop(token, None)
        if known:
            self._state[token] = known
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(self._state))
        beside.replace(self._path)


def urn(token: str) -> str:
    """How the engine names the stack's resource of this type."""
    return f"urn:pulumi:{STACK}::database::{token}::it"


def carry_out(order: Order) -> Answer:
    """A run in this process."""
    few = Few(order)
    try:
        asyncio.run(few.run())
    except PluginError as error:
        return Answer(str(error), "\n" in str(error), said=few.said)
    return Answer(said=few.said)


class Count:
    """Counts the messages to the server, and stops the process before one of them."""

    def __init__(self, stop: int) -> None:
        self.messages, self._stop = 0, stop
        self._wait = psycopg.AsyncConnection.wait

    def begin(self) -> None:
        """From here on."""

        async def wait(connection: Any, *arguments: Any, **options: Any) -> Any:
            self.messages += 1
            if self.messages == self._stop:
                os.kill(os.getpid(), signal.SIGSTOP)
            return await self._wait(connection, *arguments, **options)

        psycopg.AsyncConnection.wait = wait  # type: ignore[method-assign, assignment]


def main() -> None:
    """Wait for an order, carry it out, answer."""
    order = Order(**json.loads(sys.stdin.readline()))
    count = Count(order.stop)
    count.begin()
    answer = carry_out(order)
    print(json.dumps(asdict(answer) | {"messages": count.messages}), flush=True)


if __name__ == "__main__":
    main()

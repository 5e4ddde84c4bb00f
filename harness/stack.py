"""The whole program on a real PostgreSQL without the engine: its resources, recorded once, driven through the provider.

`DeclaredResource` is one `pg:` resource of the program. `Stack` keeps the state as the engine does and runs `preview`,
`up` and `down` in this process, as the engine runs them with `refresh: always`: each resource is read just before its
own diff and step, a failure stops what depends on it, and what is declared no longer is deleted last, in reverse order.
"""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from declared.paths import CHECKOUT
from harness import program
from harness.engine import Engine, Refusal, Thing
from plugin.wire import UNKNOWN, decode, has_unknown
from provider.holding import DESTROY
from provider.package import PgPlugin

STACK, PROJECT = "dev", "database"
PREFIX = "pg:index:"
# A server that nobody connects to.
ELSEWHERE = "postgresql://postgres:password@127.0.0.1:1/postgres"
# What the program under mocks gets for an output: a text that stands for it in the inputs of other resources.
OUTPUTS = {
    "pg:index:Password": ("password", "verifier"),
    "pg:index:KeyPair": ("privateKey", "publicKey"),
    "pg:index:SealingKeyPair": ("privateKey", "publicKey"),
}


class Killed(Exception):
    """The run ended here without a word, as of a killed engine."""


@dataclass(frozen=True)
class DeclaredResource:
    """One resource as the program declares it."""

    token: str
    name: str
    urn: str
    inputs: dict[str, Any]
    waits_for: frozenset[str] = frozenset()
    """The names of all resources that stand before it, however far."""


Declaration = Mapping[str, DeclaredResource]
"""By name, in an order in which each comes after what it waits for."""


def declaration(
    database: str, passwords: tuple[int, ...] = (1,), stack: str = STACK, target: str = ""
) -> dict[str, DeclaredResource]:
    """What the program declares of a database, with the defaults of the settings but for the open passwords.

    Args:
        target: where the server is one that a setting names; by default the target's own.
    """
    found = {}
    for name, each in _declared(passwords, stack, target).items():
        inputs = dict(each.inputs)
        if each.token == "pg:index:Grants" and inputs["kind"] == "database":
            inputs["name"] = database
        found[name] = replace(each, inputs=inputs)
    return found


@cache
def _declared(passwords: tuple[int, ...], stack: str, target: str) -> Declaration:
    where: dict[str, Any] = {"target": target, "url": ELSEWHERE} if target else {}
    return resources(program.run(stack, passwords=list(passwords), **where), stack)


def resources(recorded: program.Program, stack: str = STACK) -> dict[str, DeclaredResource]:
    """What a run of the program has declared of its database."""
    stands_in = recorded.of_type("pulumi:providers:pg")[0]
    assert stands_in.name == "pg"
    before: dict[str, frozenset[str]] = {}
    for name, resource in recorded.resources.items():
        known = {other for one in resource.waits_for for other in (one, *_children(recorded, one))}
        before[name] = frozenset(known).union(*(before.get(other, frozenset()) for other in known))
    found = {}
    for name, resource in recorded.resources.items():
        if resource.type.startswith(PREFIX):
            inputs = decode(resource.wire).values
            urn = f"urn:pulumi:{stack}::{PROJECT}::{_type(recorded, name)}::{name}"
            found[name] = DeclaredResource(resource.type, name, urn, inputs, before[name])
    return {name: replace(each, waits_for=each.waits_for & found.keys()) for name, each in found.items()}


def _children(recorded: program.Program, parent: str) -> list[str]:
    return [child.name for child in recorded.resources.values() if child.parent == parent]


def _type(recorded: program.Program, name: str) -> str:
    resource = recorded.resources[name]
    return f"{_type(recorded, resource.parent)}${resource.type}" if resource.parent else resource.type


_urn: ContextVar[str] = ContextVar("urn")


@dataclass
class _Driver(Engine):
    """The provider, asked about many resources at the same time; each task has its own."""

    said: list[tuple[str, str]] = field(default_factory=list)

    def urn(self, token: str) -> str:
        return _urn.get()

    async def Log(self, request: Any) -> None:
        if not request.ephemeral:
            name = request.urn.split("::", 3)[3]
            self.said += [(name, line) for line in request.message.splitlines()]


@dataclass
class Run:
    """What one `preview` or `up` came to."""

    messages: list[str] = field(default_factory=list)
    """The lines of the diagnostics, each after the name of its resource."""
    changes: dict[str, list[str]] = field(default_factory=dict)
    """The property paths that differ, by resource; `create`, `delete` for a whole one."""
    errors: dict[str, str] = field(default_factory=dict)
    """Why a resource failed."""

    @property
    def text(self) -> list[str]:
        """All that the user sees, line by line."""
        seen = [f"{name}: {path}" for name, paths in self.changes.items() for path in paths]
        return [*self.messages, *seen, *(f"{name}: {message}" for name, message in self.errors.items())]


Step = Callable[[_Driver, DeclaredResource], Coroutine[Any, Any, None]]


@dataclass
class Stack:
    """The declaration, the state, and a login of the database."""

    url: str
    declared: Declaration
    checkout: Path = CHECKOUT
    state: dict[str, Thing] = field(default_factory=dict)
    urns: dict[str, str] = field(default_factory=dict)
    """Of what is in the state and perhaps declared no longer."""

    def preview(self) -> Run:
        """`preview --refresh`: each resource is read and compared; nothing is written, the state stays."""
        run, known = Run(), dict(self.state)

        async def look(driver: _Driver, each: DeclaredResource) -> None:
            old = await self._refreshed(driver, known, each)
            inputs = self._inputs(each, known)
            if old is None:
                run.changes[each.name] = ["create"]
                checked = dict(decode(await driver.checking(each.token, inputs)).values)
                known[each.name] = await driver.creating(each.token, checked, preview=True)
                return
            news = dict(decode(await driver.checking(each.token, inputs, old.inputs)).values)
            if changed := sorted((await driver.comparing(old, news)).detailedDiff):
                run.changes[each.name] = changed
                known[each.name] = await driver.updating(old, news, preview=True)

        self._all(run, look)
        run.changes |= {name: ["delete"] for name in self._gone(known)}
        return run

    def refresh(self) -> None:
        """`refresh`: what is in the state becomes what is found."""

        async def look(driver: _Driver, each: DeclaredResource) -> None:
            await self._refreshed(driver, self.state, each)

        self._all(Run(), look)

    def up(self, kill_at: int | None = None) -> Run:
        """`up` with `refresh: always`.

        Args:
            kill_at: when so many resources are done the run ends without a word, whatever is under way.
        :raises Killed: there
        """
        run = Run()

        async def driven(driver: _Driver, each: DeclaredResource) -> None:
            await self._bring_up(driver, run, each)

        self._all(run, driven, kill_at)
        if not run.errors:
            self._remove(run, self._gone(self.state))
        return run

    def down(self) -> Run:
        """`destroy`: everything is deleted, last first."""
        run = Run()
        with mock.patch.dict(os.environ, {DESTROY: STACK}):
            self._remove(run, list(reversed(self.state)))
        return run

    @contextmanager
    def _driver(self, run: Run) -> Iterator[_Driver]:
        """A plugin of its own for each run, as the engine starts one."""
        driver = _Driver(PgPlugin(self.checkout)).configure({"url": self.url})
        try:
            yield driver
        finally:
            driver.close()
            run.messages += [f"{name}: {line}" for name, line in driver.said]

    def _all(self, run: Run, step: Step, kill_at: int | None = None) -> None:
        """One step for each resource, at the same time where none waits for another."""
        done = {name: asyncio.Event() for name in self.declared}
        skipped: set[str] = set()
        count = 0

        async def one(driver: _Driver, each: DeclaredResource) -> None:
            nonlocal count
            for name in each.waits_for & done.keys():
                await done[name].wait()
            if each.waits_for.isdisjoint(run.errors.keys() | skipped):
                await self._failing(run, each.name, each.urn, step(driver, each))
            else:
                skipped.add(each.name)
            done[each.name].set()
            count += 1
            if count == kill_at:
                raise Killed

        async def every(driver: _Driver) -> None:
            tasks = [asyncio.create_task(one(driver, each)) for each in self.declared.values()]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

        with self._driver(run) as driver:
            driver.run(every(driver))

    async def _bring_up(self, driver: _Driver, run: Run, each: DeclaredResource) -> None:
        """One resource's read, diff and step."""
        old = await self._refreshed(driver, self.state, each)
        inputs = self._inputs(each, self.state)
        assert not has_unknown(inputs)
        news = dict(decode(await driver.checking(each.token, inputs, old.inputs if old else None)).values)
        if old is None:
            run.changes[each.name] = ["create"]
            self.state[each.name] = await driver.creating(each.token, news)
            return
        compared = await driver.comparing(old, news)
        if not (changed := sorted(compared.detailedDiff)):
            return
        run.changes[each.name] = changed
        if not compared.replaces:
            self.state[each.name] = await driver.updating(old, news)
            return
        if compared.deleteBeforeReplace:
            await driver.deleting(old)
            del self.state[each.name]
        self.state[each.name] = await driver.creating(each.token, news)
        if not compared.deleteBeforeReplace:
            await driver.deleting(old)

    async def _refreshed(self, driver: _Driver, known: dict[str, Thing], each: DeclaredResource) -> Thing | None:
        """The resource as a read finds it, which the state takes over; None where it is new or gone."""
        if each.name not in known:
            return None
        found = await driver.reading(known[each.name])
        if found is None:
            del known[each.name]
        else:
            known[each.name] = found
        return found

    def _gone(self, known: dict[str, Thing]) -> list[str]:
        """What is declared no longer, the last one first."""
        return [name for name in reversed(known) if name not in self.declared]

    def _remove(self, run: Run, names: Sequence[str]) -> None:
        """Delete resources, one after another."""
        if not names:
            return

        async def delete(driver: _Driver, name: str) -> None:
            run.changes[name] = ["delete"]
            await driver.deleting(self.state[name])
            del self.state[name]

        with self._driver(run) as driver:
            for name in names:
                known = self.declared.get(name)
                made_up = f"urn:pulumi:{STACK}::{PROJECT}::{self.state[name].token}::{name}"
                urn = known.urn if known else self.urns.get(name, made_up)
                driver.run(self._failing(run, name, urn, delete(driver, name)))

    @staticmethod
    async def _failing(run: Run, name: str, urn: str, step: Coroutine[Any, Any, None]) -> None:
        """A step, whose failure is the resource's error."""
        _urn.set(urn)
        try:
            await step
        except Refusal as error:
            run.errors[name] = str(error)

    def _inputs(self, each: DeclaredResource, known: Mapping[str, Thing]) -> dict[str, Any]:
        """The inputs with the outputs of other resources, which may be unknown in a preview."""
        outputs: dict[str, Any] = {}
        for name in each.waits_for & self.declared.keys():
            token = self.declared[name].token
            for output in OUTPUTS.get(token, ()):
                known_output = known[name].state.get(output, UNKNOWN) if name in known else UNKNOWN
                outputs[program._made(token, name)[output]] = known_output
        found = {key: _filled(value, outputs) for key, value in each.inputs.items()}
        # The number is that of the whole program, of which this may be a part.
        return found | ({"resources": len(self.declared)} if "resources" in found else {})

    def part(self, names: Iterable[str]) -> "Stack":
        """These resources alone."""
        wanted = {*names}
        declared = {name: each for name, each in self.declared.items() if name in wanted}
        return replace(self, declared=declared, state={n: self.state[n] for n in declared.keys() & self.state.keys()})

    def moved(self, url: str, was: str, now: str) -> "Stack":
        """The same stack on a clone of its database, whose identity is another."""
        state = {name: _renamed(thing, was, now) for name, thing in self.state.items()}
        return replace(self, url=url, state=state)


def _filled(value: Any, outputs: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return outputs.get(value, value)
    if isinstance(value, Mapping):
        return {key: _filled(entry, outputs) for key, entry in value.items()}
    return [_filled(entry, outputs) for entry in value] if isinstance(value, list) else value


def _renamed(thing: Thing, was: str, now: str) -> Thing:
    if thing.state.get("database") != was:
        return thing
    return replace(thing, state={**thing.state, "database": now})


def with_inputs(declared: Declaration, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, DeclaredResource]:
    """The declaration with other inputs of some resources, and a checkpoint that knows of it."""
    found = {name: replace(each, inputs={**each.inputs, **changes.get(name, {})}) for name, each in declared.items()}
    if changes:
        last = next(name for name, each in found.items() if each.token == "pg:index:SchemaCheckpoint")
        of = json.dumps(changes, sort_keys=True)
        found[last] = replace(found[last], inputs={**found[last].inputs, "of": of})
    return found

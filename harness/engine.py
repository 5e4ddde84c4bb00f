"""The provider as the engine uses it: requests in the wire format, answers taken apart again, messages collected."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from plugin.proto import provider_pb2
from plugin.server import Plugin, Servicer
from plugin.wire import decode, encode
from provider.package import PgPlugin

PARENT = "vpb:index:Access$"


class Refusal(Exception):
    """What the engine would show as the error of a resource."""


class CheckRefusal(Refusal):
    """A refusal of the inputs, with the property that is wrong."""


@dataclass(frozen=True)
class Thing:
    """A resource as the stack's state has it."""

    token: str
    id: str
    inputs: dict[str, Any]
    state: dict[str, Any]
    secrets: frozenset[str] = frozenset()


class _Call:
    async def abort(self, code: Any, message: str) -> None:
        raise Refusal(message)


@dataclass
class Engine:
    """One plugin in this process, driven through the calls of the protocol, in one event loop."""

    plugin: Plugin = field(default_factory=PgPlugin)
    messages: list[str] = field(default_factory=list)
    """What was left in the diagnostics of the run."""
    progress: list[str] = field(default_factory=list)
    name: str = "thing"
    """The name of the resource in the program; another one is another resource."""

    def __post_init__(self) -> None:
        self._runner = asyncio.Runner()
        self._servicer = Servicer(self.plugin, self)  # type: ignore[arg-type]

    async def Log(self, request: Any) -> None:
        (self.progress if request.ephemeral else self.messages).append(request.message)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    def together(self, *calls: Coroutine[Any, Any, Any]) -> list[Any]:
        """Calls at the same time, as the engine makes them; what failed is in the list as its exception."""

        async def gather() -> list[Any]:
            return await asyncio.gather(*calls, return_exceptions=True)

        found: list[Any] = self.run(gather())
        return found

    def close(self) -> None:
        self.run(self.plugin.close())
        self._runner.close()

    def reported(self) -> list[str]:
        """The lines of the messages since the last time."""
        found, self.messages[:] = [line for message in self.messages for line in message.splitlines()], []
        return found

    async def call(self, name: str, request: Any) -> Any:
        return await getattr(self._servicer, name)(request, _Call())

    def urn(self, token: str) -> str:
        return f"urn:pulumi:dev::vpb::{PARENT}{token}::{self.name}"

    def configure(self, inputs: Mapping[str, Any]) -> Self:
        self.run(self.call("Configure", provider_pb2.ConfigureRequest(args=encode(inputs))))
        return self

    def check(self, token: str, inputs: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return dict(decode(self.checked(token, inputs, old)).values)

    def checked(self, token: str, inputs: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> Any:
        return self.run(self.checking(token, inputs, old))

    async def checking(self, token: str, inputs: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> Any:
        request = provider_pb2.CheckRequest(urn=self.urn(token), olds=encode(old or {}), news=encode(inputs))
        answer = await self.call("Check", request)
        if answer.failures:
            # Without a property the engine shows the reason alone.
            shown = [f"{item.property}: {item.reason}" if item.property else item.reason for item in answer.failures]
            raise CheckRefusal("; ".join(shown))
        return answer.inputs

    def create(self, token: str, inputs: Mapping[str, Any], preview: bool = False) -> Thing:
        created: Thing = self.run(self.creating(token, self.check(token, inputs), preview))
        return created

    async def creating(self, token: str, checked: dict[str, Any], preview: bool = False) -> Thing:
        request = provider_pb2.CreateRequest(urn=self.urn(token), properties=encode(checked), preview=preview)
        answer = await self.call("Create", request)
        state = decode(answer.properties)
        return Thing(token, answer.id, checked, state.values, state.secrets)

    def diff(self, thing: Thing, inputs: Mapping[str, Any] | None = None, ignore: tuple[str, ...] = ()) -> list[str]:
        """The property paths that an update to `inputs` (or to what is declared already) would change."""
        news = self.check(thing.token, thing.inputs if inputs is None else inputs, thing.inputs)
        return sorted(self.compared(thing, news, ignore).detailedDiff)

    def compared(self, thing: Thing, news: Mapping[str, Any], ignore: tuple[str, ...] = ()) -> Any:
        return self.run(self.comparing(thing, news, ignore))

    async def comparing(self, thing: Thing, news: Mapping[str, Any], ignore: tuple[str, ...] = ()) -> Any:
        request = provider_pb2.DiffRequest(
            urn=self.urn(thing.token),
            id=thing.id,
            olds=encode(thing.state),
            news=encode(news),
            old_inputs=encode(thing.inputs),
            ignoreChanges=ignore,
        )
        return await self.call("Diff", request)

    def refresh(self, thing: Thing) -> Thing | None:
        found: Thing | None = self.run(self.reading(thing))
        return found

    async def reading(self, thing: Thing) -> Thing | None:
        request = provider_pb2.ReadRequest(
            urn=self.urn(thing.token), id=thing.id, properties=encode(thing.state), inputs=encode(thing.inputs)
        )
        return self._thing(thing.token, await self.call("Read", request))

    def bring_in(self, token: str, id: str) -> Thing | None:
        """`pulumi import`: nothing but the id is known."""
        return self._thing(token, self.run(self.call("Read", provider_pb2.ReadRequest(urn=self.urn(token), id=id))))

    def _thing(self, token: str, answer: Any) -> Thing | None:
        if not answer.id:
            return None
        state = decode(answer.properties)
        return Thing(token, answer.id, decode(answer.inputs).values, state.values, state.secrets)

    def update(self, thing: Thing, inputs: Mapping[str, Any], preview: bool = False) -> Thing:
        news = self.check(thing.token, inputs, thing.inputs)
        updated: Thing = self.run(self.updating(thing, news, preview))
        return updated

    async def updating(self, thing: Thing, checked: dict[str, Any], preview: bool = False) -> Thing:
        request = provider_pb2.UpdateRequest(
            urn=self.urn(thing.token),
            id=thing.id,
            olds=encode(thing.state),
            news=encode(checked),
            old_inputs=encode(thing.inputs),
            preview=preview,
        )
        state = decode((await self.call("Update", request)).properties)
        return replace(thing, inputs=checked, state=state.values, secrets=state.secrets)

    def delete(self, thing: Thing) -> None:
        self.run(self.deleting(thing))

    async def deleting(self, thing: Thing) -> None:
        request = provider_pb2.DeleteRequest(urn=self.urn(thing.token), id=thing.id, properties=encode(thing.state))
        await self.call("Delete", request)

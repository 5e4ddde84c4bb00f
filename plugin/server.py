"""A plugin as the engine sees it: one gRPC server, dispatch by resource type, one line for each failure.

A plugin is a `Plugin` with one `Kind` per resource type. Everything that can go wrong on the way to the user is kept
here: an error leaves as its own message, without stack frames; whatever the code prints goes to standard error, since
the first line of standard output is the port for the engine; and a plugin whose engine was killed ends itself.
"""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import grpc
import grpc.aio
from google.protobuf import empty_pb2

from plugin.errors import PluginError as PluginError
from plugin.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc
from plugin.wire import Properties, decode, encode

PARENT_CHECK_SECONDS = 0.2
LONGEST_SHOWN = 80
MESSAGE_BYTES = 400 * 1024 * 1024

DiffKind = Literal["add", "delete", "update", "add-replace", "delete-replace", "update-replace"]


@dataclass
class CheckFailure:
    """An input that can't be used, and why."""

    property: str
    reason: str


@dataclass
class Diff:
    """What an update would do, by property path (`steps["0001"]`, `roles[0]`)."""

    changes: dict[str, DiffKind] = field(default_factory=dict)
    delete_before_replace: bool = False

    @property
    def replaces(self) -> list[str]:
        return sorted({top(path) for path, kind in self.changes.items() if kind.endswith("-replace")})


def top(path: str) -> str:
    """The top-level property of a property path."""
    return path.split("[", 1)[0].split(".", 1)[0]


@dataclass
class Resource:
    """What a `read` found: the id, the outputs, and the inputs that would give them."""

    id: str
    state: dict[str, Any]
    inputs: dict[str, Any]


@dataclass(frozen=True)
class Context:
    """One call from the engine: whose resource it is about, and how to tell the user of progress."""

    urn: str
    log: Callable[[str, str, bool], Awaitable[None]]

    async def status(self, message: str) -> None:
        """Show `message` beside the resource until the next one."""
        await self.log(self.urn, message, True)

    async def info(self, message: str) -> None:
        """Leave `message` in the diagnostics of the run."""
        await self.log(self.urn, message, False)


class Kind:
    """One resource type. A subclass has `token` and the six operations."""

    token: str
    secret_outputs: frozenset[str] = frozenset()

    async def check(
        self, context: Context, old: dict[str, Any], new: dict[str, Any]
    ) -> tuple[dict[str, Any], list[CheckFailure]]:
        """The inputs with their defaults, and what is wrong with them. `UNKNOWN`s are let through."""
        return new, []

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        """What stands between the last known state and the wanted inputs."""
        raise NotImplementedError

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        """Make it; in a preview nothing is touched, the id may be empty and outputs may be `UNKNOWN`."""
        raise NotImplementedError

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        """What is really there, or None. `state` and `inputs` are empty during an import."""
        raise NotImplementedError

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        """Bring it to `new`; the new outputs."""
        raise NotImplementedError

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        """Remove it; not an error where it's gone already."""
        raise NotImplementedError


class Plugin:
    """A provider: its name, its version and its resource types."""

    name: str
    version: str

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.kinds: Mapping[str, Kind] = {kind.token: kind for kind in kinds}

    async def check_config(self, inputs: dict[str, Any]) -> list[CheckFailure]:
        """What is wrong with the provider's own arguments."""
        return []

    async def configure(self, inputs: dict[str, Any]) -> None:
        """Take the provider's arguments; any of them may be `UNKNOWN` in a preview."""

    async def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer a function call."""
        raise PluginError(f"{self.name} has no function {token}")

    def schema(self) -> str:
        """The package schema, as JSON."""
        raise NotImplementedError

    async def leave(self) -> None:
        """Take away what would stay behind; called at the end of every run, also of one that lets nothing go."""

    async def close(self) -> None:
        """Let go of connections; called when the engine cancels or ends in the middle of a call."""


def resource_type(urn: str) -> str:
    """The type token in a URN, without those of its parents (`a$b$pkg:index:Type` is `pkg:index:Type`)."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def resource_name(urn: str) -> str:
    """The name in a URN, as the program gave it."""
    return urn.split("::", 3)[3]


_KINDS = {
    "add": provider_pb2.PropertyDiff.ADD,
    "delete": provider_pb2.PropertyDiff.DELETE,
    "update": provider_pb2.PropertyDiff.UPDATE,
    "add-replace": provider_pb2.PropertyDiff.ADD_REPLACE,
    "delete-replace": provider_pb2.PropertyDiff.DELETE_REPLACE,
    "update-replace": provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def _whence(error: Exception) -> str:
    """The error's type, and the last place in this project's own code."""
    root = Path(__file__).resolve().parent.parent
    frames = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)]
    own = [
        f"{path.relative_to(root)}:{line}"
        for path, line in zip(frames, lines, strict=True)
        if path.is_relative_to(root) and "site-packages" not in path.parts
    ]
    return f"{type(error).__name__} at {own[-1]}" if own else type(error).__name__


def _guarded(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call(self: "Servicer", request: Any, context: grpc.aio.ServicerContext) -> Any:
        self.calls += 1
        try:
            return await method(self, request, context)
        except PluginError as error:
            message = str(error)
        except Exception as error:  # a mistake of ours
            # Standard error is shown to the user too, and the error's own text may hold a secret.
            message = f"internal error of the {self.plugin.name} plugin ({_whence(error)}), please report it"
        finally:
            self.calls -= 1
        await context.abort(grpc.StatusCode.UNKNOWN, message)

    return call


class Servicer(provider_pb2_grpc.ResourceProviderServicer):  # type: ignore[misc, unused-ignore]
    """The protocol's calls, in terms of a `Plugin`."""

    def __init__(self, plugin: Plugin, engine: engine_pb2_grpc.EngineStub | None) -> None:
        self.plugin = plugin
        self.calls = 0
        """How many calls are under way."""
        self._engine = engine

    def _kind(self, urn: str) -> Kind:
        token = resource_type(urn)
        try:
            return self.plugin.kinds[token]
        except KeyError:
            known = ", ".join(sorted(self.plugin.kinds))
            raise PluginError(f"{token} is not a resource type of this plugin, which has {known}") from None

    def _context(self, urn: str) -> Context:
        return Context(urn, self._log)

    async def _log(self, urn: str, message: str, ephemeral: bool) -> None:
        if self._engine is not None:
            await self._engine.Log(
                engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=ephemeral)
            )

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.plugin.version)

    @_guarded
    async def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=self.plugin.schema())

    async def Cancel(self, request: Any, context: Any) -> Any:
        await self.plugin.close()
        return empty_pb2.Empty()

    @_guarded
    async def CheckConfig(self, request: Any, context: Any) -> Any:
        news = decode(request.news)
        failures = await self.plugin.check_config(news.values)
        return _check_response(news, failures)

    @_guarded
    async def DiffConfig(self, request: Any, context: Any) -> Any:
        # A provider's arguments say how to reach a server, not which objects there are: never a replacement.
        same = decode(request.olds).values == decode(request.news).values
        changes = provider_pb2.DiffResponse.DIFF_NONE if same else provider_pb2.DiffResponse.DIFF_SOME
        return provider_pb2.DiffResponse(changes=changes)

    @_guarded
    async def Configure(self, request: Any, context: Any) -> Any:
        await self.plugin.configure(decode(request.args).values)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    @_guarded
    async def Invoke(self, request: Any, context: Any) -> Any:
        result = await self.plugin.invoke(request.tok, decode(request.args).values)
        return provider_pb2.InvokeResponse(**{"return": encode(result)})

    @_guarded
    async def Check(self, request: Any, context: Any) -> Any:
        news = decode(request.news)
        inputs, failures = await self._kind(request.urn).check(
            self._context(request.urn), decode(request.olds).values, news.values
        )
        secrets = news.secrets | self._kind(request.urn).secret_outputs
        return _check_response(Properties(inputs, secrets), failures)

    @_guarded
    async def Diff(self, request: Any, context: Any) -> Any:
        state, news = decode(request.olds), decode(request.news)
        diff = await self._kind(request.urn).diff(self._context(request.urn), request.id, state.values, news.values)
        ignored = set(request.ignoreChanges)
        diff.changes = {path: kind for path, kind in diff.changes.items() if top(path) not in ignored}
        some = provider_pb2.DiffResponse.DIFF_SOME if diff.changes else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some,
            replaces=diff.replaces,
            diffs=sorted({top(path) for path in diff.changes}),
            detailedDiff={
                path: provider_pb2.PropertyDiff(kind=_KINDS[kind], inputDiff=False)
                for path, kind in diff.changes.items()
            },
            hasDetailedDiff=True,
            deleteBeforeReplace=diff.delete_before_replace,
        )

    @_guarded
    async def Create(self, request: Any, context: Any) -> Any:
        kind, inputs = self._kind(request.urn), decode(request.properties)
        id, state = await kind.create(self._context(request.urn), inputs.values, request.preview)
        return provider_pb2.CreateResponse(id=id, properties=encode(state, inputs.secrets | kind.secret_outputs))

    @_guarded
    async def Read(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        state, inputs = decode(request.properties), decode(request.inputs)
        found = await kind.read(self._context(request.urn), request.id, state.values, inputs.values)
        if found is None:
            return provider_pb2.ReadResponse(id="")
        secrets = state.secrets | inputs.secrets | kind.secret_outputs
        return provider_pb2.ReadResponse(
            id=found.id, properties=encode(found.state, secrets), inputs=encode(found.inputs, secrets)
        )

    @_guarded
    async def Update(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        state, news = decode(request.olds), decode(request.news)
        new_state = await kind.update(
            self._context(request.urn), request.id, state.values, news.values, request.preview
        )
        return provider_pb2.UpdateResponse(properties=encode(new_state, news.secrets | kind.secret_outputs))

    @_guarded
    async def Delete(self, request: Any, context: Any) -> Any:
        state = decode(request.properties)
        await self._kind(request.urn).delete(self._context(request.urn), request.id, state.values)
        return empty_pb2.Empty()


def _check_response(inputs: Properties, failures: list[CheckFailure]) -> Any:
    return provider_pb2.CheckResponse(
        inputs=encode(inputs.values, inputs.secrets),
        failures=[_check_failure(item, inputs) for item in failures],
    )


def _check_failure(failure: CheckFailure, inputs: Properties) -> Any:
    """The engine prints the value of the property before the reason, however long it is; none without a property."""
    value = inputs.values.get(failure.property)
    if failure.property in inputs.secrets or isinstance(value, Mapping | list) or len(str(value)) > LONGEST_SHOWN:
        return provider_pb2.CheckFailure(reason=f"{failure.property}: {failure.reason}")
    return provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)


async def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_SECONDS)


def serve(plugin: Plugin) -> None:
    """Run `plugin` until the engine, which started this process, is done with it or gone."""
    port_line = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    asyncio.run(_serve(plugin, port_line))


async def _end(server: grpc.aio.Server, servicer: Servicer) -> None:
    """At once where nothing is under way: letting go of everything in order takes as long as a small plan."""
    if servicer.calls:
        await server.stop(None)
        while servicer.calls:
            await asyncio.sleep(0.01)
        await servicer.plugin.close()
    await _leave(servicer.plugin)
    os._exit(0)


async def _leave(plugin: Plugin) -> None:
    # The next run takes away what can't be taken away now.
    with suppress(Exception):
        await plugin.leave()


async def _serve(plugin: Plugin, port_line: Any) -> None:
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    address = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    engine = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(address, options=options)) if address else None
    parent = os.getppid()
    server = grpc.aio.server(options=options)
    servicer = Servicer(plugin, engine)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The engine says so when it is done, the terminal at Ctrl-C.
    loop, ending = asyncio.get_running_loop(), list[asyncio.Task[None]]()
    loop.add_signal_handler(signal.SIGINT, lambda: ending.append(loop.create_task(_end(server, servicer))))
    port_line.write(f"{port}\n")
    port_line.flush()
    await _end_with_parent(parent)
    # The engine is gone without a word. Open transactions end with their connections.
    await _leave(servicer.plugin)
    os._exit(0)

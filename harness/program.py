"""The whole program under a mock engine that records what is registered."""

import asyncio
import gc
import json
import runpy
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pulumi
import pulumi.runtime.config
import pulumi.runtime.mocks
from google.protobuf import struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto.source_pb2 import StackTrace

from declared.awsnames import AwsNames
from declared.naming import NAMESPACE
from declared.paths import CHECKOUT
from declared.serversettings import NAMESPACE as SERVER
from declared.settings import defaults
from local import postgres, services
from targets import found

MAIN = CHECKOUT / "__main__.py"
ENDPOINT = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Registered:
    """One resource as the program registers it."""

    type: str
    name: str
    parent: str
    waits_for: frozenset[str]
    """The names of what it depends on."""
    inputs: dict[str, Any]
    wire: struct_pb2.Struct
    """The same as the engine gets it, with the marks of secrets."""
    protect: bool = False
    held: bool = False
    """Whether Pulumi asks before it deletes it."""
    retain: bool = False
    """Whether it stays where it is when its resource is deleted."""
    taken_over: str = ""
    """The id of what is there already."""
    ignored: tuple[str, ...] = ()
    """The properties whose changes Pulumi doesn't see."""
    goes_with: str = ""
    """The name of what it isn't deleted beside."""

    @property
    def line(self) -> str:
        return f"{self.type} {self.name} {self.parent or '-'}"


@dataclass
class Program:
    """What one run registered and exported."""

    password: str = field(default_factory=lambda: secrets.token_hex(12))
    """Of the server's login; made at run time."""
    there: found.Found | None = None
    """What AWS has already."""
    resources: dict[str, Registered] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    secret_outputs: set[str] = field(default_factory=set)

    def register(self, resource: Registered) -> None:
        self.resources[resource.name] = resource

    def of_type(self, type: str) -> list[Registered]:
        return [resource for resource in self.resources.values() if resource.type == type]

    def waits_for(self, name: str) -> set[str]:
        """Everything that stands before a resource, however far; a component stands for all of its children."""
        found: set[str] = set()
        pending = [name]
        while pending:
            for other in self.resources[pending.pop()].waits_for:
                related = {other} | {child.name for child in self.resources.values() if child.parent == other}
                pending += related - found
                found |= related
        return found

    @property
    def tree(self) -> str:
        return "".join(f"{resource.line}\n" for resource in sorted(self.resources.values(), key=lambda each: each.line))


def _is_stack(urn: str) -> bool:
    return not urn or urn.split("::")[2].endswith("pulumi:pulumi:Stack")


ACCOUNT = "123456789012"


def _made(type: str, name: str) -> dict[str, Any]:
    """What the provider adds to a resource."""
    service = type.split("/")[0]
    if service == "aws:s3":
        return {"arn": f"arn:aws:s3:::{name}", "bucketRegionalDomainName": f"{name}.s3.us-east-1.amazonaws.com"}
    if service == "aws:rds":
        secret = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:rds!db-{name}"
        hosts = {
            "arn": f"arn:{service}:us-east-1:{ACCOUNT}:{name}",
            "address": f"{name}.rds.amazonaws.com",
            "endpoint": f"{name}.cluster.rds.amazonaws.com",
            "readerEndpoint": f"{name}.cluster-ro.rds.amazonaws.com",
        }
        return {**hosts, "port": 5432, "masterUserSecrets": [{"secretArn": secret}]}
    if service.startswith("aws:"):
        arn = f"arn:{service}:us-east-1:{ACCOUNT}:{name}"
        return {"arn": arn, "keyId": f"{name}-id", "name": name, "domainName": f"{name}.cloudfront.net"}
    if type == "pg:index:Password":
        return {"password": f"password-of-{name}", "verifier": f"SCRAM-SHA-256$of-{name}"}
    if type == "pg:index:KeyPair":
        return {"privateKey": f"password-of-{name}", "publicKey": f"public-{name}"}
    if type == "pg:index:SealingKeyPair":
        return {"privateKey": f"private-{name}", "publicKey": f"public-{name}"}
    return {}


class Mocks(pulumi.runtime.Mocks):
    """Outputs that the program needs in order to go on."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        # The aws plugin gives a document back as text.
        texts = {
            name: json.dumps(value)
            for name, value in args.inputs.items()
            if isinstance(value, dict) and name == "policy"
        }
        return f"{args.name}-id", {**args.inputs, **texts, **_made(args.typ, args.name)}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        answers = {"aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT}}
        return dict(answers[args.token]), []


class Monitor(pulumi.runtime.mocks.MockMonitor):
    """Keeps parents and dependencies, which mocks aren't shown."""

    def __init__(self, program: Program) -> None:
        super().__init__(Mocks())
        self.program = program

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            names = frozenset(urn.split("::", 3)[3] for urn in request.dependencies)
            parent = "" if _is_stack(request.parent) else request.parent.split("::", 3)[3]
            inputs = rpc.deserialize_properties(request.object)
            assert request.name not in self.program.resources, "names are unique in the whole program"
            options = {
                "protect": request.protect,
                "held": bool(request.hooks.before_delete),
                "retain": request.retainOnDelete,
                "taken_over": request.importId,
                "ignored": tuple(request.ignoreChanges),
            }
            goes_with = request.deletedWith.rpartition("::")[2]
            self.program.register(
                Registered(
                    request.type, request.name, parent, names, inputs, request.object, **options, goes_with=goes_with
                )
            )
        return answer


class NoAccess(pulumi.ComponentResource):
    """In the place of the privileges and row policies: two thirds of all resources."""

    def __init__(self, name: str, args: object, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vpb:index:NoAccess", name, {}, opts)
        self.final: list[pulumi.Resource] = []
        self.register_outputs({})


@contextmanager
def _machine(program: Program) -> Iterator[None]:
    """Services that are described and never started."""
    running = services.Services(
        postgres.RunningServer("127.0.0.1", 1, "postgres", program.password, 17),
        services.Moto(ENDPOINT, "AKIAEXAMPLE", "example"),
    )
    with (
        mock.patch.object(services, "load", return_value=running),
        mock.patch.object(
            found, "look", lambda aws, region, stack, second: program.there or found.Found(AwsNames(stack, ACCOUNT))
        ),
        # Where in the program a resource was made: no test asks, and it takes a fifth of a run.
        mock.patch("pulumi.runtime.resource._get_stack_trace", StackTrace),
    ):
        yield


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """End the run's threads, and close the loop that the SDK's mocks leave open in each: a later test would be warned.

    They are looked for, since the traceback of a run that failed still holds some of them.
    """
    loop.run_until_complete(loop.shutdown_default_executor())
    asyncio.set_event_loop(None)
    for each in gc.get_objects():
        if issubclass(type(each), asyncio.BaseEventLoop) and not each.is_running():
            each.close()


def run(
    stack: str = "dev",
    there: found.Found | None = None,
    server: Mapping[str, Any] | None = None,
    access: bool = True,
    **changes: Any,
) -> Program:
    """Run `__main__.py` with the defaults of `Pulumi.yaml`, except for `changes`, and with settings of a server.

    Args:
        access: false leaves out the component of that name, for who doesn't look at it.
    """
    program = Program(there=there)
    values = {**defaults(), **changes}
    given = {f"{NAMESPACE}:{name}": value for name, value in values.items()}
    given |= {f"{SERVER}:{name}": value for name, value in (server or {}).items()}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    # The SDK asks the thread for a loop, and other tests' `asyncio.run` leaves it without one.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(Mocks(), project="database", stack=stack, monitor=Monitor(program))
    pulumi.runtime.config.set_all_config(texts, [f"{NAMESPACE}:url"])

    exported: dict[str, pulumi.Output[Any]] = {}

    async def resolve() -> None:
        for name, output in exported.items():
            program.outputs[name] = await output.future()
            if await output.is_secret():
                program.secret_outputs.add(name)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def main() -> pulumi.Output[None]:
        # Without an engine there is no stack that exports would be registered with, or that would wait for the program.
        with mock.patch.object(pulumi, "export", exporting), mock.patch.object(pulumi, "run") as waiting:
            runpy.run_path(str(MAIN), run_name="__main__")
        return pulumi.Output.all(waiting.call_args.args[0](), resolve()).apply(lambda _: None)

    def exporting(name: str, value: Any) -> None:
        exported[name] = pulumi.Output.from_input(value)

    try:
        with _machine(program), nullcontext() if access else mock.patch("components.access.Access", NoAccess):
            main()
    finally:
        pulumi.runtime.config.set_all_config({})
        # The SDK's mocks keep the stack, and with it what the program has registered there.
        if root := pulumi.runtime.get_root_resource():
            root._transformations.clear()
        _end(loop)
    return program

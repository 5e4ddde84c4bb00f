"""The server: where it is and who provisions on it. On `local` it runs already, started beside us."""

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import pulumi

from components.base import Component
from local import services
from settings import split_url


@dataclass(frozen=True, kw_only=True)
class ServerArgs:
    stack: str
    url: pulumi.Output[str] | None = None
    """An existing server in place of the embedded one."""


class Server(Component):
    """What the other components need of a server, whatever it is."""

    host: pulumi.Output[str]
    port: pulumi.Output[int]
    user: pulumi.Output[str]
    password: pulumi.Output[str]
    database: pulumi.Output[str]
    aws: services.Aws
    """Where the object store is."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"stack": args.stack, "url": args.url}, opts)
        running = services.load(args.stack)
        self.aws = running.aws
        login = _given(args.url) if args.url is not None else _embedded(running)
        self.host = login.apply(lambda found: found["host"])
        self.port = login.apply(lambda found: found["port"])
        self.user = login.apply(lambda found: found["user"])
        self.password = pulumi.Output.secret(login.apply(lambda found: found["password"]))
        self.database = login.apply(lambda found: found["database"])
        self.register_outputs({"host": self.host, "port": self.port, "database": self.database})

    @property
    def login(self) -> dict[str, Any]:
        """Where the server is, as the provider of its objects takes it."""
        return {"host": self.host, "port": self.port, "password": self.password, "database": self.database}

    def connection(
        self, user: pulumi.Input[str], password: pulumi.Input[str], settings: pulumi.Input[str] = ""
    ) -> pulumi.Output[str]:
        """The connection URL of a login, as a secret.

        Args:
            settings: what its sessions start with, as the server's command line has it: `-c name=value`.
        """
        parts = pulumi.Output.all(user, password, self.host, self.port, self.database, settings)
        return pulumi.Output.secret(parts.apply(_joined))


def _given(url: pulumi.Output[str]) -> pulumi.Output[dict[str, Any]]:
    # The parts of a secret are secret; host and port alone aren't, and are wanted in messages.
    return pulumi.Output.unsecret(url.apply(split_url))


def _embedded(running: services.Services) -> pulumi.Output[dict[str, Any]]:
    if running.postgres is None:
        raise pulumi.RunError("the embedded PostgreSQL isn't running; run ./pulumiw in place of pulumi")
    return pulumi.Output.from_input(asdict(running.postgres) | {"database": "postgres"})


def _joined(parts: list[Any]) -> str:
    user, password, host, port, database, settings = parts
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    options = f"?options={quote(settings, safe='')}" if settings else ""
    return f"postgresql://{login}@{host}:{int(port)}/{quote(database, safe='')}{options}"

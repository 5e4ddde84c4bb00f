"""The server: where it is and who provisions on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.base import Component
from declared import connectionurl
from declared.errors import UserError
from declared.health import Check
from declared.roles import AUTHENTICATOR, MONITOR, URLS
from targets import OwnServer, Target, Wanted, Watching


@dataclass(frozen=True, kw_only=True)
class ServerArgs:
    stack: str
    target: Target
    wanted: Wanted | None
    """What the target's own server is to be."""
    url: str | None = None
    """An existing server instead of the target's own."""


class Server(Component):
    """What the other components need of a server, whatever it is."""

    url: pulumi.Output[str]
    """The login that provisions, as the provider `pg` takes it; a secret."""
    host: pulumi.Output[str]
    port: pulumi.Output[str]
    user: pulumi.Output[str]
    password: pulumi.Output[str]
    database: pulumi.Output[str]
    disposable: bool
    """Whether it goes with everything in it."""
    fetched: Mapping[str, Any]
    """What the provider `pg` fetches the password with, where the URL has none."""
    exports: Mapping[str, Any]
    """Outputs of the stack that only such a server has."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        url = pulumi.Output.secret(args.url) if args.url else None
        super().__init__(name, {"stack": args.stack, "url": url}, opts)
        own = OwnServer(_given(url, args.target)) if url is not None else _own(args, self.child())
        self._parameters = pulumi.Output.secret(own.login)
        self._reader = pulumi.Output.secret(own.reader) if own.reader is not None else None
        self._proxy, self._watch = own.proxy, own.watch
        self.fetched, self.exports = own.password, own.exports
        self.user, self.host, self.port, self.database = map(self._shown, ("user", "host", "port", "dbname"))
        self.password = self._parameters.apply(lambda found: found.get("password", ""))
        self.disposable = url is None and args.target.disposable
        provisioning = {} if url is not None else args.target.provisioning
        self.url = self._parameters.apply(lambda found: connectionurl.compose({**found, **provisioning}))
        self.register_outputs({"host": self.host, "port": self.port, "database": self.database})

    def _shown(self, parameter: str) -> pulumi.Output[str]:
        # The parts of a secret are secret; these aren't, and are wanted in messages.
        return pulumi.Output.unsecret(self._parameters.apply(lambda found: found[parameter]))

    def connection(
        self, user: pulumi.Input[str], password: pulumi.Input[str], session_options: pulumi.Input[str] = ""
    ) -> pulumi.Output[str]:
        """The connection URL of a login, as a secret, with everything else as in the URL of the one that provisions.

        Args:
            session_options: what its sessions start with, as the server's command line has it: `-c name=value`.
        """
        return pulumi.Output.all(self._parameters, user, password, session_options).apply(_joined)

    def urls(
        self,
        current: Mapping[str, tuple[str, pulumi.Output[str]]],
        pooled: Mapping[str, pulumi.Output[str]],
        sessions: Mapping[str, pulumi.Input[str]],
    ) -> dict[str, pulumi.Output[str]]:
        """Output → the connection URL of a login, as a secret.

        Args:
            current: role → its login and password.
            pooled: login → password, of those that a proxy may lend sessions to; where one is wanted, it is made.
            sessions: role → what its sessions start with.
        """
        proxied = self._proxied(pooled)
        # The logins of a platform's own API are its affair.
        found = {
            output: proxied.get(current[role][0]) or self.connection(*current[role], sessions.get(role, ""))
            for output, role in URLS.items()
            if role in current
        }
        if self._reader is not None:
            login = pulumi.Output.all(self._reader, *current[AUTHENTICATOR], "")
            found["read_url"] = login.apply(_joined)
        return found

    def watch(
        self,
        topic: pulumi.Output[str] | None,
        checks: Mapping[str, Check],
        logins: Mapping[str, Mapping[str, pulumi.Output[str]]],
    ) -> None:
        """Make what watches a server of the target's own; another one is watched by whom it belongs to.

        Args:
            topic: what hears of it; None where nothing does.
            checks: the metrics of the database's health.
            logins: role → the passwords that are open.
        """
        if self._watch is not None and topic is not None:
            self._watch(Watching(topic=topic, checks=checks, logins=logins[MONITOR]))

    def _proxied(self, logins: Mapping[str, pulumi.Output[str]]) -> Mapping[str, pulumi.Output[str]]:
        if self._proxy is None:
            return {}
        where = pulumi.Output.secret(self._proxy(logins))
        return {
            login: pulumi.Output.all(where, login, password, "").apply(_joined) for login, password in logins.items()
        }


# The provisioning login's own; no other login's URL has them.
OF_THE_LOGIN = ("sslcert", "sslkey", "sslpassword", "passfile")


def _given(url: pulumi.Output[str], target: Target) -> pulumi.Output[connectionurl.Parameters]:
    return url.apply(lambda text: target.reach(connectionurl.parse(text)))


def _own(args: ServerArgs, opts: pulumi.ResourceOptions) -> OwnServer:
    try:
        return args.target.server(args.stack, args.wanted, opts)
    except UserError as error:
        raise pulumi.RunError(str(error)) from None


def _joined(parts: list[Any]) -> str:
    parameters, user, password, settings = parts
    shared = {
        name: value for name, value in parameters.items() if name not in OF_THE_LOGIN or user == parameters["user"]
    }
    return connectionurl.compose(connectionurl.with_options({**shared, "user": user, "password": password}, settings))

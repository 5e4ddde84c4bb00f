"""What every target says of itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from declared.backups import BackupSettings
from declared.connectionurl import Parameters
from declared.health import Check
from declared.platform import Platform
from declared.serversettings import ServerSettings
from targets.endpoint import AwsEndpoint as AwsEndpoint
from targets.found import Found

# The commands beside Pulumi import targets too, and are to start without its SDK.
if TYPE_CHECKING:
    import pulumi


@dataclass(frozen=True)
class Can:
    """What can be done at a target, as far as anything depends on it.

    What the login that provisions may do isn't here: `pg` asks the server itself, also one of `database:url`.
    """

    guardduty: bool
    """Whether Amazon GuardDuty scans uploads."""
    test_signatures: bool
    """Whether uploads may be scanned by signatures of test files alone, without a daemon."""
    make_server: bool
    """Whether the program makes the server, by the settings of namespace `server`."""
    start_server: bool = False
    """Whether it starts a server on this machine where no URL names one."""
    object_store: bool = True
    """Whether files lie in buckets of ours at AWS, behind a CDN of ours."""
    serve_api: bool = False
    """Whether it starts an API in front of the database on this machine."""
    hosted_project: bool = False
    """Whether the database is of a project with settings of its own, which a management API sets."""


@dataclass(frozen=True)
class ApiStart:
    """What a target is given to start the API in front of a stack's database."""

    program: str
    """PostgREST, as a file of this machine."""
    version: str
    rest: Parameters
    """The database, as the login that becomes `anon`, `authenticated` or `service_role`."""
    storage: Parameters
    """The same, as the Storage API's login."""
    bucket: str
    """The S3 bucket with all stored files."""
    region: str
    largest: int
    """Bytes of the largest file of any bucket."""


@dataclass(frozen=True)
class Api:
    """The API in front of a stack's database."""

    url: str
    """Where it answers, in the paths of Supabase."""
    anon_key: str
    service_key: str = field(repr=False)
    secret: str = field(repr=False)
    """What tokens are signed with."""


@dataclass(frozen=True)
class Service:
    """What a target starts for a stack."""

    name: str
    version: str
    address: str | None
    """Where it answers; None where it doesn't run."""
    remark: str | None = None
    """What is left to be done with it, and by which command."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a server of the target's own is to be."""

    settings: ServerSettings
    region: str
    tags: Mapping[str, str]
    account_ids: Sequence[str]
    """The accounts that it may be made in; none are all."""
    found: Found
    """What is at AWS already."""
    keep: bool
    """Whether AWS is to refuse its end."""
    backups: BackupSettings | None = None
    """What is declared of backups."""
    cron: bool = False
    """Whether pg_cron is to be loaded."""
    replaced: bool = False
    """Whether a permission lets another server take its place."""


@dataclass(frozen=True, kw_only=True)
class Watching:
    """What the alarms on a server of the target's own go by."""

    topic: "pulumi.Output[str]"
    """What hears of them."""
    checks: Mapping[str, Check]
    """The metrics of the database's health with their thresholds."""
    logins: "Mapping[str, pulumi.Output[str]]"
    """Who may ask for it → the password, the one of now first."""


@dataclass(frozen=True)
class OwnServer:
    """A server of the target's own, as the program gets it."""

    login: "pulumi.Input[Parameters]"
    """The login that provisions; an output where the program makes the server."""
    password: Mapping[str, Any] = field(default_factory=dict)
    """What the provider `pg` fetches the login's password with, where that is kept elsewhere and is no part of it."""
    reader: "pulumi.Input[Parameters] | None" = None
    """The same login at the server's readers, where it has any."""
    proxy: "Callable[[Mapping[str, pulumi.Output[str]]], pulumi.Input[Parameters]] | None" = None
    """Makes a proxy for logins with their passwords, and says where they reach the database through it."""
    watch: Callable[[Watching], None] | None = None
    """Makes what watches it."""
    exports: Mapping[str, Any] = field(default_factory=dict)
    """Outputs of the stack that only such a server has."""


class Target(Protocol):
    """Where an environment lives."""

    name: str
    can: Can
    platform: Platform
    """Who has made roles, schemas and tables there before us."""
    disposable: bool
    """Whether what holds data may go with it, and keys at once."""
    plugins: Path | None
    """A folder of plugins in the place of the official ones; None where these are to be had."""
    checkpoints: bool
    """Whether the engine writes its state after each resource; elsewhere once, at the end of a run."""

    provisioning: Parameters
    """What the connection of the login that provisions on the target's own server has beside its parameters."""

    def server(self, stack: str, wanted: Wanted | None, opts: "pulumi.ResourceOptions") -> OwnServer:
        """The target's own server, for the program.

        Args:
            wanted: None where nothing is made at AWS.
            opts: for the resources of a server that the program itself makes.

        :raises UserError: where there is none
        """
        ...

    def reach(self, given: Parameters) -> Parameters:
        """The connection to a server that a setting names, with what the target adds to it.

        :raises UserError: where it doesn't lead to where the target's databases are
        """
        ...

    def own_parameters(self, stack: str) -> Parameters | None:
        """The same login for a command, as it connects with it; None where only the stack's outputs know it.

        They do wherever a server is reached without what runs on this machine.
        """
        ...

    def aws(self, stack: str) -> AwsEndpoint:
        """Where the object store of a stack is.

        :raises UserError: where it can't be found
        """
        ...

    def start(self, stack: str, own_server: bool, progress: Callable[[str], None]) -> None:
        """Start what has to run beside the stack.

        Args:
            own_server: whether the stack lives on the target's own PostgreSQL.
        """
        ...

    def beside(self, stack: str) -> Sequence[Service]:
        """What was started for a stack beside its server; nothing is started by asking."""
        ...

    def serve(self, stack: str, wanted: ApiStart, progress: Callable[[str], None]) -> None:
        """Start the API in front of the stack's database, or have it read the structure again.

        :raises UserError: where it doesn't start
        """
        ...

    def serve_again(self, stack: str, progress: Callable[[str], None]) -> None:
        """Start that API again, where it was started and has ended.

        :raises UserError: where it doesn't start
        """
        ...

    def withdraw_api(self, stack: str) -> None:
        """Stop that API, not to be started again."""
        ...

    def reload_api(self, stack: str) -> None:
        """Have that API read the structure again, where it runs."""
        ...

    def rotate_api(self, stack: str, finish: bool, progress: Callable[[str], None]) -> bool:
        """Give that API a new secret beside its own, or, to finish, have it accept the old one no more.

        :returns: whether there was something to do
        :raises UserError: where there is none, or it doesn't start
        """
        ...

    def api(self, stack: str) -> Api | None:
        """That API, whether it answers or not; None where it isn't to run."""
        ...

    def api_log(self, stack: str) -> Path | None:
        """What that API writes to; None where it is never one of this machine."""
        ...

    def log(self, stack: str) -> Path | None:
        """The log of the target's own server; None where it is no file of this machine."""
        ...

    def program(self, name: str) -> Path | None:
        """A program of PostgreSQL's, such as psql, that came with the target's own server."""
        ...

    def started(self, stack: str) -> bool:
        """Whether anything was ever started for a stack and not removed, whatever became of its state."""
        ...

    def check_removable(self, stack: str) -> None:
        """
        :raises UserError: where what was started for a stack can't be removed safely
        """
        ...

    def remove(self, stack: str) -> None:
        """Stop what was started for a stack, and delete its data.

        :raises UserError: as for `check_removable`
        """
        ...

"""What every target says of itself."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from declared.connectionurl import Parameters


@dataclass(frozen=True)
class Can:
    """What can be done at a target."""

    guardduty: bool
    """Whether Amazon GuardDuty scans uploads."""
    test_signatures: bool
    """Whether uploads may be scanned by signatures of test files alone, without a daemon."""


@dataclass(frozen=True)
class Aws:
    """Where AWS is. Without a key, its library finds one, and without an endpoint the service's own address."""

    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the provider `aws` is given, beside its region."""


class Target(Protocol):
    """Where an environment lives."""

    name: str
    can: Can
    disposable: bool
    """Whether what holds data may go with it, and keys at once."""
    standins: bool
    """Whether the plugin `aws` is the stand-in; elsewhere it is the official one."""
    checkpoints: bool
    """Whether the engine writes its state after each resource; elsewhere once, at the end of a run."""

    provisioning: Parameters
    """What the connection of the login that provisions on the target's own server has beside its parameters."""

    def parameters(self, stack: str) -> Parameters:
        """The login that provisions on the target's own server.

        :raises UserError: where there is none
        """
        ...

    def aws(self, stack: str) -> Aws:
        """Where the object store of a stack is.

        :raises UserError: where it can't be found
        """
        ...

    def existing(self, stack: str, buckets: Iterable[str]) -> frozenset[str]:
        """Those of the S3 buckets that are there already and are to be taken over."""
        ...

    def start(self, stack: str, own_server: bool, progress: Callable[[str], None]) -> None:
        """Start what has to run beside the stack.

        Args:
            own_server: whether the stack lives on the target's own PostgreSQL.
        """
        ...

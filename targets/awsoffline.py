"""The target `aws` with moto in the place of AWS, on this machine. It isn't AWS."""

from collections.abc import Callable, Sequence
from pathlib import Path

from targets.aws import Aws
from targets.local import Local
from targets.target import AwsEndpoint, Service


class AwsOffline(Aws):
    """What is declared is what AWS gets; who answers is what answers on `local`."""

    plugins: Path | None = Local.plugins

    def __init__(self) -> None:
        self._local = Local()

    def aws(self, stack: str) -> AwsEndpoint:
        return self._local.aws(stack)

    def start(self, stack: str, own_server: bool, progress: Callable[[str], None]) -> None:
        # There is no server to start: moto's RDS has none.
        self._local.start(stack, False, progress)

    def beside(self, stack: str) -> Sequence[Service]:
        return self._local.beside(stack)

    def program(self, name: str) -> Path | None:
        return self._local.program(name)

    def started(self, stack: str) -> bool:
        return self._local.started(stack)

    def check_removable(self, stack: str) -> None:
        self._local.check_removable(stack)

    def remove(self, stack: str) -> None:
        self._local.remove(stack)

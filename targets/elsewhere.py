"""What the targets share whose servers and files are elsewhere: nothing of a stack runs on this machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

from declared.connectionurl import Parameters
from declared.errors import UserError
from targets.target import Api, ApiStart, Service


class Elsewhere:
    """The part of a `Target` that is about this machine."""

    disposable = False
    checkpoints = True
    provisioning: Parameters = {}

    def own_parameters(self, stack: str) -> Parameters | None:
        return None

    def start(self, stack: str, own_server: bool, progress: Callable[[str], None]) -> None:
        """Nothing runs beside it."""

    def beside(self, stack: str) -> Sequence[Service]:
        return []

    def serve(self, stack: str, wanted: ApiStart, progress: Callable[[str], None]) -> None:
        """No setting asks for it."""

    def serve_again(self, stack: str, progress: Callable[[str], None]) -> None:
        """None was started."""

    def withdraw_api(self, stack: str) -> None:
        """None was started."""

    def reload_api(self, stack: str) -> None:
        """None was started."""

    def rotate_api(self, stack: str, finish: bool, progress: Callable[[str], None]) -> bool:
        raise UserError(
            f"stack {stack} has no API on this machine: its secret changes where the API is (docs/auth.md#keys-rotate)"
        )

    def api(self, stack: str) -> Api | None:
        return None

    def api_log(self, stack: str) -> Path | None:
        return None

    def log(self, stack: str) -> Path | None:
        return None

    def program(self, name: str) -> Path | None:
        return None

    def started(self, stack: str) -> bool:
        return False

    def check_removable(self, stack: str) -> None:
        """It stays."""

    def remove(self, stack: str) -> None:
        """It stays."""

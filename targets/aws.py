"""AWS: Amazon RDS in a network of its own, made by the program."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from declared.connectionurl import Parameters
from declared.platform import NOTHING
from targets.target import AwsEndpoint, Can, OwnServer, Service, Wanted

if TYPE_CHECKING:
    import pulumi


class Aws:
    """The target `aws`. Nothing of it runs on this machine."""

    name = "aws"
    can = Can(guardduty=True, test_signatures=False, make_server=True)
    platform = NOTHING
    disposable = False
    plugins: Path | None = None
    checkpoints = True
    provisioning: Parameters = {}

    def server(self, stack: str, wanted: Wanted | None, opts: "pulumi.ResourceOptions") -> OwnServer:
        # The program alone needs Pulumi's SDK.
        from components.rds import make

        assert wanted is not None, "files are at AWS too"

        return make(wanted, self.aws(stack), opts)

    def reach(self, given: Parameters) -> Parameters:
        return given

    def own_parameters(self, stack: str) -> Parameters | None:
        return None

    def aws(self, stack: str) -> AwsEndpoint:
        return AwsEndpoint()

    def start(self, stack: str, own_server: bool, progress: Callable[[str], None]) -> None:
        return None

    def beside(self, stack: str) -> Sequence[Service]:
        return []

    def log(self, stack: str) -> Path | None:
        return None

    def program(self, name: str) -> Path | None:
        return None

    def started(self, stack: str) -> bool:
        return False

    def check_removable(self, stack: str) -> None:
        return None

    def remove(self, stack: str) -> None:
        return None

"""AWS: Amazon RDS in a network of its own, made by the program."""

from pathlib import Path
from typing import TYPE_CHECKING

from declared.connectionurl import Parameters
from declared.platform import NOTHING
from targets.elsewhere import Elsewhere
from targets.target import AwsEndpoint, Can, OwnServer, Wanted

if TYPE_CHECKING:
    import pulumi


class Aws(Elsewhere):
    """The target `aws`. Nothing of it runs on this machine."""

    name = "aws"
    can = Can(guardduty=True, test_signatures=False, make_server=True)
    platform = NOTHING
    plugins: Path | None = None

    def server(self, stack: str, wanted: Wanted | None, opts: "pulumi.ResourceOptions") -> OwnServer:
        # The program alone needs Pulumi's SDK.
        from components.rds import make

        assert wanted is not None, "files are at AWS too"

        return make(wanted, self.aws(stack), opts)

    def reach(self, given: Parameters) -> Parameters:
        return given

    def aws(self, stack: str) -> AwsEndpoint:
        return AwsEndpoint()

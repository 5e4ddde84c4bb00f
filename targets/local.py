"""This machine: an embedded PostgreSQL, and moto in the place of AWS."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from declared.connectionurl import Parameters, compose
from declared.folders import stack_folder
from declared.paths import CHECKOUT
from declared.platform import NOTHING
from declared.schemas import EXPOSED
from local import apiservice, postgres, services
from local.api.record import Start
from local.ports import HOST
from local.postgres import ServerError
from targets.target import Api, ApiStart, AwsEndpoint, Can, OwnServer, Service, Wanted

if TYPE_CHECKING:
    import pulumi

# The services that the program has resources of.
SERVICES = (
    "backup",
    "cloudfront",
    "cloudwatch",
    "ec2",
    "guardduty",
    "iam",
    "kms",
    "logs",
    "rds",
    "s3",
    "secretsmanager",
    "events",
    "lambda",
    "sns",
    "sts",
)


class Local:
    """The target `local`."""

    name = "local"
    can = Can(guardduty=False, test_signatures=True, make_server=False, start_server=True, serve_api=True)
    platform = NOTHING
    disposable = True
    plugins: Path | None = CHECKOUT / "local" / "standins" / "bin"
    checkpoints = False
    # The embedded server has no TLS, and is to be reached whatever PGSSLMODE says.
    provisioning: Parameters = {"sslmode": "disable"}

    def server(self, stack: str, wanted: Wanted | None, opts: "pulumi.ResourceOptions") -> OwnServer:
        server = services.load(stack).postgres
        if server is None:
            raise ServerError("the embedded PostgreSQL isn't running; run ./pulumiw instead of pulumi")
        return OwnServer(server.parameters())

    def reach(self, given: Parameters) -> Parameters:
        return given

    def own_parameters(self, stack: str) -> Parameters | None:
        server = postgres.running(stack_folder(stack))
        return {**server.parameters(), **self.provisioning} if server else None

    def aws(self, stack: str) -> AwsEndpoint:
        # The port may be another one than in the last run.
        moto = services.load(stack).aws
        arguments = {
            "access_key": moto.access_key,
            "secret_key": moto.secret_key,
            "endpoints": [dict.fromkeys(SERVICES, moto.endpoint)],
            "s3_use_path_style": True,
            "skip_credentials_validation": True,
            "skip_metadata_api_check": True,
            "skip_requesting_account_id": True,
        }
        return AwsEndpoint(moto.endpoint, moto.access_key, moto.secret_key, arguments)

    def start(self, stack: str, own_server: bool, progress: Callable[[str], None]) -> None:
        services.ensure(stack, own_server, progress=progress)

    def beside(self, stack: str) -> Sequence[Service]:
        found = [Service("moto", version("moto"), services.moto_endpoint(stack))]
        folder = stack_folder(stack)
        kept = apiservice.known(folder)
        if kept and kept.start:
            finish = f"its old secret is accepted too; ./vpb rotate --api --finish --stack {stack} takes it out"
            remark = finish if kept.old else None
            found.append(Service("PostgREST", kept.start.version, apiservice.address(folder), remark))
        return found

    def serve(self, stack: str, wanted: ApiStart, progress: Callable[[str], None]) -> None:
        moto = services.load(stack).aws
        start = Start(
            program=wanted.program,
            version=wanted.version,
            rest_url=compose(wanted.rest),
            storage_url=compose(wanted.storage),
            schemas=EXPOSED,
            bucket=wanted.bucket,
            region=wanted.region,
            endpoint=moto.endpoint,
            access_key=moto.access_key,
            secret_key=moto.secret_key,
            largest=wanted.largest,
        )
        services.serve(stack, start, progress)

    def serve_again(self, stack: str, progress: Callable[[str], None]) -> None:
        services.serve_again(stack, progress)

    def withdraw_api(self, stack: str) -> None:
        apiservice.withdraw(stack_folder(stack))

    def reload_api(self, stack: str) -> None:
        apiservice.reload(stack_folder(stack))

    def rotate_api(self, stack: str, finish: bool, progress: Callable[[str], None]) -> bool:
        return services.rotate_api(stack, finish, progress)

    def api(self, stack: str) -> Api | None:
        kept = apiservice.known(stack_folder(stack))
        if kept is None or kept.start is None:
            return None
        return Api(f"http://{HOST}:{kept.port}", kept.key("anon"), kept.key("service_role"), kept.secret)

    def api_log(self, stack: str) -> Path | None:
        return apiservice.log(stack_folder(stack))

    def log(self, stack: str) -> Path | None:
        return postgres.log(stack_folder(stack))

    def program(self, name: str) -> Path | None:
        return postgres.wheel_binaries() / name

    def started(self, stack: str) -> bool:
        return services.known(stack)

    def check_removable(self, stack: str) -> None:
        services.removable(stack)

    def remove(self, stack: str) -> None:
        services.remove(stack)

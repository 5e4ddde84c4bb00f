"""The database's own health in CloudWatch: a function in the server's network that asks for it every five minutes."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_, secretsmanager

from components import probezip
from components.base import Component
from components.documents import PolicyStatement, allow_statement, through
from components.network import Network
from components.rdsbase import DATABASE, LOG_DAYS
from components.servicerole import service_role
from components.watch import BAD, GOOD, Watched
from declared.errors import UserError
from declared.health import OF_THE_POOLER, Check
from declared.prices import METRICS_TAG
from declared.serversettings import OBJECTS
from targets.target import Wanted

SERVICE, RULES = "lambda.amazonaws.com", "events.amazonaws.com"
MINUTES = 5
# A statement of the login ends after 15 seconds, and there are seven.
SECONDS, MEMORY_MB = 120, 256
RUNTIME = "python3.13"
ANSWERED = "answered"
# What Lambda does with the network for a function, by the role that the function has too.
INTERFACES = (
    *("CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface"),
    *("AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"),
)
# A number that is bad in two looks of three is: what passes by itself is none.
LOOKS, ENOUGH = 3, 2


def namespace(stack: str) -> str:
    """Where the metrics of a stack's database are in CloudWatch."""
    return f"visual-prompt-builder/{stack}/health"


def sent(checks: Mapping[str, Check]) -> dict[str, Check]:
    """The checks that the database itself has numbers for."""
    return {name: check for name, check in checks.items() if name not in OF_THE_POOLER}


def watched(stack: str, checks: Mapping[str, Check], backups: bool) -> Iterator[Watched]:
    """What alarms go by: of each metric the worst object, and that there was an answer.

    Args:
        checks: the metrics with their thresholds.
        backups: whether backups are declared: that there is none has an alarm already, and a drill is promised.
    """
    shared: dict[str, Any] = {"namespace": namespace(stack), "periods": LOOKS}
    yield Watched(
        name="health-silent",
        title="answers of the database to the health's function",
        metric=ANSWERED,
        statistic="Sum",
        critical=0,
        below=True,
        outage=True,
        missing=BAD,
        runbook="docs/runbooks/aws.md#health-silent",
        **shared,
    )
    for name, check in sent(checks).items():
        quiet = backups and name == "backup_age"
        yield Watched(
            name=f"health-{name}",
            title=check.title,
            unit={"seconds": "s", "bytes": "bytes"}.get(check.unit, ""),
            metric=name,
            statistic="Minimum" if check.below else "Maximum",
            warning=None if quiet else check.warning,
            critical=None if quiet else check.critical,
            below=check.below,
            enough=ENOUGH,
            missing=BAD if backups and name == "drill_age" else GOOD,
            runbook=f"docs/runbooks/{name}.md",
            **shared,
        )


@dataclass(frozen=True, kw_only=True)
class HealthProbeArgs:
    wanted: Wanted
    network: Network
    key: pulumi.Input[str]
    """The ARN of the key that the secret is encrypted with."""
    host: pulumi.Input[str]
    port: pulumi.Input[str]
    checks: Mapping[str, Check]
    """What is sent."""
    logins: Mapping[str, pulumi.Output[str]]
    """Who may ask → the password, the one of now first."""


class HealthProbe(Component):
    """The function with its schedule, its log, its role, and the secret that this role alone reads."""

    def __init__(self, name: str, args: HealthProbeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"logins": sorted(args.logins)}, opts)
        self._name, self._args, self._names = name, args, args.wanted.found.names
        self._called = self._names.of("health")
        # Before the function: Lambda would make it, without an end to what it keeps.
        log = cloudwatch.LogGroup(
            f"{name}-log", name=f"/aws/lambda/{self._called}", retention_in_days=LOG_DAYS, opts=self.child()
        )
        secret, value = self._secret()
        role, rights = self._role(log, secret)
        self._schedule(self._function(role, secret, [log, value, rights]))
        self.register_outputs({})

    def _secret(self) -> tuple[secretsmanager.Secret, secretsmanager.SecretVersion]:
        """The logins that are open, two while passwords are exchanged: the function takes the one that comes in."""
        secret = secretsmanager.Secret(
            f"{self._name}-secret",
            name=self._names.of("health-login"),
            description=f"Login monitor of {self._names.stack}, for the function that asks for its health",
            kms_key_id=self._args.key,
            recovery_window_in_days=0,
            opts=self.child(),
        )
        logins = [{"username": login, "password": password} for login, password in self._args.logins.items()]
        value = secretsmanager.SecretVersion(
            f"{self._name}-secret-value",
            secret_id=secret.arn,
            secret_string=pulumi.Output.json_dumps({"logins": logins}),
            # Else it wouldn't be seen that somebody has put another one in its place.
            version_stages=["AWSCURRENT"],
            opts=self.child(),
        )
        return secret, value

    def _role(self, log: cloudwatch.LogGroup, secret: secretsmanager.Secret) -> tuple[iam.Role, iam.RolePolicy]:
        args, stack = self._args, self._names.stack
        function = f"arn:aws:lambda:{args.wanted.region}:{self._names.account}:function:{self._called}"
        interfaces = [f"ec2:{action}" for action in INTERFACES]
        rights: list[PolicyStatement] = [
            allow_statement("secretsmanager", ("GetSecretValue",), secret.arn),
            through("secretsmanager", args.wanted.region, args.key, "Decrypt"),
            {
                **allow_statement("cloudwatch", ("PutMetricData",), "*"),
                "Condition": {"StringEquals": {"cloudwatch:namespace": namespace(stack)}},
            },
            allow_statement("logs", ("CreateLogStream", "PutLogEvents"), pulumi.Output.concat(log.arn, ":*")),
            # Lambda itself does this, and the function's code can't: EC2 knows no narrower resource beforehand.
            {"Effect": "Allow", "Action": interfaces, "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": interfaces,
                "Resource": "*",
                "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": function}},
            },
        ]
        names = (f"{self._name}-role", f"{self._name}-rights")
        return service_role(self, names, "health", SERVICE, args.wanted.found, rights)

    def _function(
        self, role: iam.Role, secret: secretsmanager.Secret, after: list[pulumi.Resource]
    ) -> lambda_.Function:
        args, settings = self._args, self._args.wanted.settings
        path, digest = self._archive()
        return lambda_.Function(
            f"{self._name}-function",
            name=self._called,
            description=f"Puts the health of {self._names.stack}'s database into CloudWatch",
            runtime=RUNTIME,
            architectures=["arm64"],
            handler="handler.handle",
            code=pulumi.FileArchive(str(path)),
            source_code_hash=base64.b64encode(bytes.fromhex(digest)).decode(),
            role=role.arn,
            timeout=SECONDS,
            memory_size=MEMORY_MB,
            environment={
                "variables": {
                    "DATABASE_HOST": args.host,
                    "DATABASE_PORT": args.port,
                    "DATABASE_NAME": DATABASE,
                    "SECRET": secret.arn,
                    "NAMESPACE": namespace(self._names.stack),
                    "OBJECTS": str(settings.health_metrics == OBJECTS).lower(),
                }
            },
            vpc_config={
                "subnet_ids": list(args.network.subnets),
                "security_group_ids": [args.network.monitor_group],
            },
            tags={METRICS_TAG: str(len(args.checks) + 1)},
            opts=self.child(*after),
        )

    def _archive(self) -> tuple[Path, str]:
        """With the authorities that all logins check the server by; offline there may be none, and nothing runs."""
        authorities = Path(self._args.wanted.settings.root_certificate)
        try:
            found = authorities.read_bytes() if authorities.is_file() else b""
            return probezip.written(self._args.checks, found)
        except (OSError, UserError) as error:
            raise pulumi.RunError(f"the health's function can't be packed: {error}") from None

    def _schedule(self, function: lambda_.Function) -> None:
        rule = cloudwatch.EventRule(
            f"{self._name}-schedule",
            name=self._called,
            description=f"The health of {self._names.stack}'s database, every {MINUTES} minutes",
            schedule_expression=f"rate({MINUTES} minutes)",
            opts=self.child(),
        )
        allowed = lambda_.Permission(
            f"{self._name}-allowed",
            statement_id="schedule",
            action="lambda:InvokeFunction",
            function=function.name,
            principal=RULES,
            source_arn=rule.arn,
            opts=self.child(),
        )
        cloudwatch.EventTarget(
            f"{self._name}-target", rule=rule.name, target_id="health", arn=function.arn, opts=self.child(allowed)
        )

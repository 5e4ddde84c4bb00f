"""Amazon RDS Proxy: few sessions of the server, lent to many clients for a transaction each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import iam, rds, secretsmanager

from components.base import Component
from components.documents import PolicyStatement
from components.network import Network
from components.rdsbase import DATABASE
from components.servicerole import service_role
from declared.connectionurl import Parameters
from declared.prices import SIZE_TAG
from targets.target import Wanted

SERVICE = "rds.amazonaws.com"
# The rest is for sessions that don't come through it.
MOST_PERCENT, WAIT_SECONDS, IDLE_SECONDS = 80, 30, 1800


@dataclass(frozen=True, kw_only=True)
class RdsProxyArgs:
    wanted: Wanted
    network: Network
    key: pulumi.Output[str]
    """The ARN of the key that the logins' secrets are encrypted with."""
    target: Mapping[str, Any]
    """The server or cluster, as a target of a proxy names it."""
    port: pulumi.Output[int]
    ready: Sequence[pulumi.Resource]
    """What has to be there before the proxy looks for it: of a cluster its writer."""
    logins: Mapping[str, pulumi.Output[str]]
    """Who may come through → the password."""


class RdsProxy(Component):
    """A proxy that takes TLS alone, with a secret for each login that comes through it."""

    where: pulumi.Output[Parameters]
    """Where a login reaches the database through it."""

    def __init__(self, name: str, args: RdsProxyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"logins": sorted(args.logins)}, opts)
        self._name, self._args, self._names = name, args, args.wanted.found.names
        self._values: list[pulumi.Resource] = []
        secrets = {login: self._secret(login, password) for login, password in args.logins.items()}
        rights = self._role({login: secret.arn for login, secret in secrets.items()})
        proxy = self._proxy(secrets, *rights)
        pool = rds.ProxyDefaultTargetGroup(
            f"{name}-pool",
            db_proxy_name=proxy.name,
            connection_pool_config={
                "max_connections_percent": MOST_PERCENT,
                "connection_borrow_timeout": WAIT_SECONDS,
            },
            opts=self.child(),
        )
        target = rds.ProxyTarget(
            f"{name}-target",
            db_proxy_name=proxy.name,
            target_group_name=pool.name,
            **args.target,
            opts=self.child(*args.ready),
        )
        self.where = pulumi.Output.all(proxy.endpoint, args.port, target.id).apply(self._reached)
        self.register_outputs({"host": proxy.endpoint})

    def _secret(self, login: str, password: pulumi.Output[str]) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            f"{self._name}-secret-{login}",
            name=self._names.of(f"login-{login}"),
            description=f"Login {login} of {self._names.stack}, for its proxy",
            kms_key_id=self._args.key,
            # A login is back after every other rotation, and a deleted secret would still have its name.
            recovery_window_in_days=0,
            opts=self.child(),
        )
        value = secretsmanager.SecretVersion(
            f"{self._name}-secret-{login}-value",
            secret_id=secret.arn,
            secret_string=pulumi.Output.json_dumps({"username": login, "password": password}),
            # Else it wouldn't be seen that somebody has put another one in its place.
            version_stages=["AWSCURRENT"],
            opts=self.child(),
        )
        self._values.append(value)
        return secret

    def _role(self, secrets: Mapping[str, pulumi.Output[str]]) -> tuple[iam.Role, iam.RolePolicy]:
        """What the proxy reads the secrets as, and nothing else."""
        via = f"secretsmanager.{self._args.wanted.region}.amazonaws.com"
        rights: list[PolicyStatement] = [
            {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": list(secrets.values())},
            {
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": self._args.key,
                "Condition": {"StringEquals": {"kms:ViaService": via}},
            },
        ]
        names = (f"{self._name}-role", f"{self._name}-rights")
        return service_role(self, names, "proxy", SERVICE, self._args.wanted.found, rights)

    def _proxy(self, secrets: Mapping[str, secretsmanager.Secret], role: iam.Role, rights: iam.RolePolicy) -> rds.Proxy:
        return rds.Proxy(
            f"{self._name}-proxy",
            name=self._names.of("database"),
            engine_family="POSTGRESQL",
            require_tls=True,
            idle_client_timeout=IDLE_SECONDS,
            role_arn=role.arn,
            auths=[
                {
                    "auth_scheme": "SECRETS",
                    "iam_auth": "DISABLED",
                    "client_password_auth_type": "POSTGRES_SCRAM_SHA_256",
                    "secret_arn": secret.arn,
                }
                for _, secret in sorted(secrets.items())
            ],
            vpc_subnet_ids=list(self._args.network.subnets),
            vpc_security_group_ids=[self._args.network.proxy_group],
            tags={SIZE_TAG: self._args.wanted.settings.size},
            # It asks for the secrets at once, and for what is in them.
            opts=self.child(rights, *self._values),
        )

    def _reached(self, where: list[Any]) -> Parameters:
        settings = self._args.wanted.settings
        if settings.endpoint:
            # Offline there is none, so its clients go where the others go.
            (host, port), authority = settings.endpoint, settings.root_certificate
        else:
            (host, port), authority = where[:2], settings.proxy_certificate
        return {
            "host": host,
            "port": str(port),
            "user": "",
            "dbname": DATABASE,
            "sslmode": "verify-full",
            "sslrootcert": authority,
        }

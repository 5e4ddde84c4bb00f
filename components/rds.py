"""Amazon RDS for PostgreSQL: the server, with its key, its parameters, its logs and its network."""

from collections.abc import Mapping
from functools import partial

import pulumi
import pulumi_aws
from pulumi_aws import rds

from components import healthprobe, takeover
from components.aurora import FAMILY as AURORA_FAMILY
from components.aurora import AuroraServer
from components.healthprobe import HealthProbe, HealthProbeArgs
from components.network import Network, NetworkArgs
from components.rdsbase import DATABASE, MAJOR, MASTER, RdsBase, parameters
from components.rdsproxy import RdsProxy, RdsProxyArgs
from components.takeover import AtAws
from components.vault import Vault, VaultArgs
from components.watch import Watch, WatchArgs
from declared.connectionurl import Parameters
from declared.serversettings import AURORA
from targets.endpoint import AwsEndpoint
from targets.target import OwnServer, Wanted, Watching

FAMILY = f"postgres{MAJOR}"
LOGS = ("postgresql", "upgrade")


def make(wanted: Wanted, aws: AwsEndpoint, opts: pulumi.ResourceOptions) -> OwnServer:
    """The server with all that belongs to it, by a provider `aws` of its own: the program's waits for the database."""
    opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers={"aws": _plugin(wanted, aws, opts)}))
    settings = wanted.settings
    component, family = ("server-aurora", AURORA_FAMILY) if settings.engine == AURORA else ("server-rds", FAMILY)
    there = takeover.options(wanted, AtAws.of(wanted, aws, component, family))
    opts = pulumi.ResourceOptions.merge(opts, there)
    network = Network(
        "server-network",
        NetworkArgs(
            names=wanted.found.names,
            region=wanted.region,
            addresses=settings.network,
            zones=settings.zones,
            interface_endpoints=settings.interface_endpoints,
            proxy=settings.proxy,
            monitor=settings.measures_health,
        ),
        opts,
    )
    server: RdsBase = (
        AuroraServer(component, wanted, network, opts)
        if settings.engine == AURORA
        else RdsServer(component, wanted, network, opts)
    )
    if wanted.backups:
        args = VaultArgs(settings=wanted.backups, found=wanted.found, key=server.kms_key, server=server.arn)
        Vault("server-vault", args, opts)
    secrets_endpoint = {"secrets_endpoint": aws.endpoint} if aws.endpoint else {}
    return OwnServer(
        login=server.login,
        password={"password_secret": server.secret, **secrets_endpoint},
        reader=server.reader,
        proxy=partial(_proxy, wanted, network, server, opts) if settings.proxy else None,
        watch=partial(_watch, wanted, network, server, opts),
        exports={"admin_secret": server.secret, "network": dict(network.exports)},
    )


def _plugin(wanted: Wanted, aws: AwsEndpoint, opts: pulumi.ResourceOptions) -> pulumi_aws.Provider:
    return pulumi_aws.Provider(
        "server-aws",
        region=wanted.region,
        default_tags={"tags": {**wanted.tags}},
        allowed_account_ids=list(wanted.account_ids) or None,
        **aws.arguments,
        opts=opts,
    )


def _proxy(
    wanted: Wanted,
    network: Network,
    server: RdsBase,
    opts: pulumi.ResourceOptions,
    logins: Mapping[str, pulumi.Output[str]],
) -> pulumi.Output[Parameters]:
    """Where the proxy before a server is, for these logins."""
    args = RdsProxyArgs(
        wanted=wanted,
        network=network,
        key=server.kms_key,
        target=server.target,
        port=server.port,
        ready=server.ready,
        logins=logins,
    )
    return RdsProxy("server-proxy", args, opts).where


def _watch(wanted: Wanted, network: Network, server: RdsBase, opts: pulumi.ResourceOptions, by: Watching) -> None:
    health = wanted.settings.measures_health
    if health:
        probe = HealthProbeArgs(
            wanted=wanted,
            network=network,
            key=server.kms_key,
            host=server.login.apply(lambda found: found["host"]),
            port=server.login.apply(lambda found: found["port"]),
            checks=healthprobe.sent(by.checks),
            logins=by.logins,
        )
        HealthProbe("server-health", probe, opts)
    stack, backups = wanted.found.names.stack, wanted.backups is not None
    args = WatchArgs(
        names=wanted.found.names,
        settings=wanted.settings,
        region=wanted.region,
        topic=by.topic,
        log=server.log,
        servers=list(server.servers),
        ready=list(server.servers.values()),
        more=list(healthprobe.watched(stack, by.checks, backups)) if health else [],
    )
    Watch("server-watch", args, opts)


class RdsServer(RdsBase):
    """One server with a standby; encrypted, watched, backed up, and closed to all but sessions with TLS."""

    def __init__(self, name: str, wanted: Wanted, network: Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, wanted, network, opts)
        instance = self._instance(network.server_group)
        self.secret = instance.master_user_secrets[0]["secret_arn"]
        self.login = pulumi.Output.all(instance.address, instance.port).apply(self._reached)
        self.arn = instance.arn
        self.ready = [instance]
        self.servers = {self._names.of("database"): instance}
        self.port, self.target = instance.port, {"db_instance_identifier": instance.identifier}
        self.register_outputs({"host": instance.address})

    def _instance(self, group: pulumi.Output[str]) -> rds.Instance:
        settings, identifier = self._wanted.settings, self._names.of("database")
        logs = self._logs(f"instance/{identifier}", LOGS)
        self.log = f"/aws/rds/instance/{identifier}/{LOGS[0]}"
        return rds.Instance(
            f"{self._name}-instance",
            identifier=identifier,
            engine="postgres",
            # RDS chooses the minor version, and brings it up to date.
            engine_version=MAJOR,
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=False,
            instance_class=settings.class_,
            storage_type="gp3",
            allocated_storage=settings.storage,
            max_allocated_storage=settings.max_storage,
            db_name=DATABASE,
            username=MASTER,
            db_subnet_group_name=self._subnets.name,
            vpc_security_group_ids=[group],
            publicly_accessible=False,
            multi_az=settings.multi_az,
            parameter_group_name=self._parameters().name,
            **self._kept(identifier),
            backup_window=settings.backup_window,
            maintenance_window=settings.maintenance_window,
            **self._watched(),
            enabled_cloudwatch_logs_exports=list(LOGS),
            apply_immediately=settings.apply_immediately,
            opts=pulumi.ResourceOptions.merge(
                self.child(*logs),
                # The storage grows by itself.
                pulumi.ResourceOptions(ignore_changes=["allocated_storage"]),
            ),
        )

    def _parameters(self) -> rds.ParameterGroup:
        return rds.ParameterGroup(
            f"{self._name}-parameters",
            # With the version: a server of the next one needs a group of its own beside this one.
            name=self._names.of(FAMILY),
            family=FAMILY,
            description=f"Parameters of {self._names.stack}",
            parameters=parameters(cron=self._wanted.cron),
            opts=self.child(),
        )

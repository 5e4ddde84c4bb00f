"""Amazon Aurora PostgreSQL: a cluster with a writer and servers that only read, on storage that grows by itself."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import rds

from components.network import Network
from components.rdsbase import DATABASE, MAJOR, MASTER, RdsBase, parameters
from declared.prices import SIZE_TAG
from targets.target import Wanted

ENGINE = "aurora-postgresql"
FAMILY = f"{ENGINE}{MAJOR}"
LOGS = ("postgresql",)
# Aurora's storage isn't the server's, so a slot can't fill it.
NOT_AURORAS = {"max_slot_wal_keep_size"}
# One character for each server, the writer and at most 15 readers: RDS takes identifiers of 63.
NUMBERS = "123456789abcdefg"


class AuroraServer(RdsBase):
    """A cluster whose servers are in the zones in turn; the first reader takes over from the writer."""

    def __init__(self, name: str, wanted: Wanted, network: Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, wanted, network, opts)
        cluster = self._cluster(network.server_group)
        writer = self._server(cluster, 0, network)
        readers = [self._server(cluster, at, network, writer) for at in range(1, wanted.settings.servers)]
        self.secret = cluster.master_user_secrets[0]["secret_arn"]
        # Known when somebody is there who takes the session.
        self.login = pulumi.Output.all(cluster.endpoint, cluster.port, writer.id).apply(self._reached)
        if readers:
            there = [reader.id for reader in readers]
            self.reader = pulumi.Output.all(cluster.reader_endpoint, cluster.port, *there).apply(self._reached)
        self.arn = cluster.arn
        self.ready = [writer]
        self.servers = {self._called(at): server for at, server in enumerate([writer, *readers])}
        self.port, self.target = cluster.port, {"db_cluster_identifier": cluster.cluster_identifier}
        self.register_outputs({"host": cluster.endpoint})

    def _cluster(self, group: pulumi.Output[str]) -> rds.Cluster:
        settings, identifier = self._wanted.settings, self._names.of("database")
        logs = self._logs(f"cluster/{identifier}", LOGS)
        self.log = f"/aws/rds/cluster/{identifier}/{LOGS[0]}"
        return rds.Cluster(
            f"{self._name}-cluster",
            cluster_identifier=identifier,
            engine=ENGINE,
            # RDS chooses the minor version, and brings it up to date.
            engine_version=MAJOR,
            allow_major_version_upgrade=False,
            database_name=DATABASE,
            master_username=MASTER,
            db_subnet_group_name=self._subnets.name,
            vpc_security_group_ids=[group],
            db_cluster_parameter_group_name=self._parameters().name,
            **self._kept(identifier),
            **self._scaled(),
            preferred_backup_window=settings.backup_window,
            preferred_maintenance_window=settings.maintenance_window,
            enabled_cloudwatch_logs_exports=list(LOGS),
            apply_immediately=settings.apply_immediately,
            opts=self.child(*logs),
        )

    def _scaled(self) -> Mapping[str, Any]:
        settings = self._wanted.settings
        if not settings.serverless:
            return {}
        between = {"min_capacity": settings.min_capacity, "max_capacity": settings.max_capacity}
        return {"serverlessv2_scaling_configuration": between}

    def _called(self, at: int) -> str:
        return self._names.of(f"database-{NUMBERS[at]}")

    def _server(self, cluster: rds.Cluster, at: int, network: Network, *after: pulumi.Resource) -> rds.ClusterInstance:
        """One of the cluster's servers; the one that is there first is the writer until another takes over."""
        called = NUMBERS[at]
        return rds.ClusterInstance(
            f"{self._name}-server-{called}",
            identifier=self._called(at),
            cluster_identifier=cluster.cluster_identifier,
            engine=ENGINE,
            instance_class=self._wanted.settings.class_,
            availability_zone=network.zones[at % len(network.zones)],
            db_subnet_group_name=self._subnets.name,
            publicly_accessible=False,
            # In tiers 0 and 1 a server is never smaller than the writer; the others follow their own load.
            promotion_tier=min(at, 2),
            auto_minor_version_upgrade=True,
            preferred_maintenance_window=self._wanted.settings.maintenance_window,
            **self._watched(),
            apply_immediately=self._wanted.settings.apply_immediately,
            tags={SIZE_TAG: self._wanted.settings.size},
            opts=self.child(*after),
        )

    def _parameters(self) -> rds.ClusterParameterGroup:
        return rds.ClusterParameterGroup(
            f"{self._name}-parameters",
            # With the version: a cluster of the next one needs a group of its own beside this one.
            name=self._names.of(FAMILY),
            family=FAMILY,
            description=f"Parameters of {self._names.stack}",
            parameters=parameters(without=NOT_AURORAS, cron=self._wanted.cron),
            opts=self.child(),
        )

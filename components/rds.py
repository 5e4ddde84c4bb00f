"""Amazon RDS for PostgreSQL: the server, with its key, its parameters, its logs and its network."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pulumi
import pulumi_aws
from pulumi_aws import cloudwatch, iam, rds

from components.base import Component
from components.documents import text
from components.namedkey import named_key
from components.network import Network, NetworkArgs
from declared.connectionurl import Parameters
from targets.endpoint import AwsEndpoint
from targets.target import OwnServer, Wanted

MAJOR = "17"
FAMILY = f"postgres{MAJOR}"
MASTER, DATABASE = "master", "app"
LOGS = ("postgresql", "upgrade")
LOG_DAYS = 90
MONITORING = "monitoring.rds.amazonaws.com"
# As the policy of AWS for this role has them.
MEASURES = ("CreateLogStream", "DescribeLogStreams", "GetLogEvents", "PutLogEvents")
AT_ONCE, AT_RESTART = "immediate", "pending-reboot"
# Value, and when RDS takes a change: a static parameter waits for a restart, and RDS refuses it said otherwise.
PARAMETERS: Mapping[str, tuple[str, str]] = {
    # No session without TLS.
    "rds.force_ssl": ("1", AT_ONCE),
    "password_encryption": ("scram-sha-256", AT_ONCE),
    "rds.accepted_password_auth_method": ("scram", AT_ONCE),
    # What took long, without the values that a client sends apart from its statement.
    "log_min_duration_statement": ("1000", AT_ONCE),
    "log_lock_waits": ("1", AT_ONCE),
    "log_parameter_max_length": ("0", AT_ONCE),
    "track_io_timing": ("1", AT_ONCE),
    "shared_preload_libraries": ("pg_stat_statements", AT_RESTART),
    # Publications. A slot that nobody reads ends before it fills the storage.
    "rds.logical_replication": ("1", AT_RESTART),
    "max_replication_slots": ("10", AT_RESTART),
    "max_slot_wal_keep_size": ("10240", AT_ONCE),
    # Sooner than by default, where a fifth of a large table is much.
    "autovacuum_vacuum_scale_factor": ("0.05", AT_ONCE),
    "autovacuum_vacuum_insert_scale_factor": ("0.05", AT_ONCE),
    "autovacuum_analyze_scale_factor": ("0.02", AT_ONCE),
    "autovacuum_vacuum_cost_limit": ("1000", AT_ONCE),
}


def make(wanted: Wanted, aws: AwsEndpoint, opts: pulumi.ResourceOptions) -> OwnServer:
    """The server with all that belongs to it, by a provider `aws` of its own: the program's waits for the database."""
    by = pulumi_aws.Provider(
        "server-aws",
        region=wanted.region,
        default_tags={"tags": {**wanted.tags}},
        allowed_account_ids=list(wanted.account_ids) or None,
        **aws.arguments,
        opts=opts,
    )
    opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers={"aws": by}))
    settings = wanted.settings
    network = Network(
        "server-network",
        NetworkArgs(
            names=wanted.found.names,
            region=wanted.region,
            addresses=settings.network,
            zones=settings.zones,
            interface_endpoints=settings.interface_endpoints,
        ),
        opts,
    )
    server = RdsServer("server-rds", wanted, network, opts)
    secrets_endpoint = {"secrets_endpoint": aws.endpoint} if aws.endpoint else {}
    return OwnServer(
        login=server.login,
        password={"password_secret": server.secret, **secrets_endpoint},
        exports={"admin_secret": server.secret, "network": dict(network.exports)},
    )


class RdsServer(Component):
    """One server with a standby; encrypted, watched, backed up, and closed to all but sessions with TLS."""

    login: pulumi.Output[Parameters]
    """The master's, without its password, which AWS keeps and changes."""
    secret: pulumi.Output[str]
    """The ARN of the secret with the password."""

    def __init__(self, name: str, wanted: Wanted, network: Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"class": wanted.settings.class_}, opts)
        self._name, self._wanted, self._names = name, wanted, wanted.found.names
        root = {"AWS": f"arn:aws:iam::{self._names.account}:root"}
        rights = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
        # Backups outlive the server, and are read with its key alone.
        self._key, _ = named_key(self, name, "database", wanted.found, [rights], disposable=False, outlives=True)
        subnets = rds.SubnetGroup(
            f"{name}-subnets",
            name=self._names.of("database"),
            description=f"Private subnets of {self._names.stack}",
            subnet_ids=list(network.subnets),
            opts=self.child(),
        )
        instance = self._instance(subnets, network.server_group)
        self.secret = instance.master_user_secrets[0]["secret_arn"]
        self.login = pulumi.Output.all(instance.address, instance.port).apply(self._reached)
        self.register_outputs({"host": instance.address})

    def _instance(self, subnets: rds.SubnetGroup, group: pulumi.Output[str]) -> rds.Instance:
        settings, identifier = self._wanted.settings, self._names.of("database")
        logs = self._logs(identifier)
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
            storage_encrypted=True,
            kms_key_id=self._key.arn,
            db_name=DATABASE,
            username=MASTER,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=self._key.key_id,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[group],
            publicly_accessible=False,
            multi_az=settings.multi_az,
            parameter_group_name=self._parameters().name,
            **self._kept(identifier),
            **self._watched(),
            enabled_cloudwatch_logs_exports=list(LOGS),
            apply_immediately=settings.apply_immediately,
            opts=pulumi.ResourceOptions.merge(
                self.child(*logs),
                pulumi.ResourceOptions(
                    # Its name has the time of the first run; the storage grows by itself.
                    ignore_changes=["final_snapshot_identifier", "allocated_storage"],
                ),
            ),
        )

    def _kept(self, identifier: str) -> dict[str, Any]:
        """Backups, and what stands between the server and its end."""
        settings = self._wanted.settings
        return {
            "backup_retention_period": settings.backup_days,
            "backup_window": settings.backup_window,
            "maintenance_window": settings.maintenance_window,
            "copy_tags_to_snapshot": True,
            "delete_automated_backups": False,
            "deletion_protection": self._wanted.keep,
            "skip_final_snapshot": False,
            "final_snapshot_identifier": f"{identifier}-{datetime.now(UTC):%Y%m%d%H%M%S}",
        }

    def _watched(self) -> dict[str, Any]:
        return {
            "performance_insights_enabled": True,
            "performance_insights_kms_key_id": self._key.arn,
            # The days that cost nothing.
            "performance_insights_retention_period": 7,
            "monitoring_interval": 60,
            "monitoring_role_arn": self._monitoring(),
        }

    def _parameters(self) -> rds.ParameterGroup:
        return rds.ParameterGroup(
            f"{self._name}-parameters",
            # With the version: a server of the next one needs a group of its own beside this one.
            name=self._names.of(FAMILY),
            family=FAMILY,
            description=f"Parameters of {self._names.stack}",
            parameters=[
                {"name": name, "value": value, "apply_method": when} for name, (value, when) in PARAMETERS.items()
            ],
            opts=self.child(),
        )

    def _logs(self, identifier: str) -> list[cloudwatch.LogGroup]:
        """There before the server: RDS would make them, without an end to what they keep."""
        return [
            cloudwatch.LogGroup(
                f"{self._name}-log-{log}",
                name=f"/aws/rds/instance/{identifier}/{log}",
                retention_in_days=LOG_DAYS,
                opts=self.child(),
            )
            for log in LOGS
        ]

    def _monitoring(self) -> pulumi.Output[str]:
        """The role that RDS takes to write the measures of the machine under the server."""
        called = self._names.of("monitoring")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": MONITORING},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": self._names.account}},
        }
        role = iam.Role(
            f"{self._name}-monitoring",
            name=called,
            assume_role_policy=text(trust),
            opts=self.again(self._wanted.found.ids.get(called)),
        )
        group = f"arn:aws:logs:*:{self._names.account}:log-group:RDSOSMetrics"
        rights = [
            {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:PutRetentionPolicy"], "Resource": f"{group}:*"},
            {
                "Effect": "Allow",
                "Action": [f"logs:{action}" for action in MEASURES],
                "Resource": f"{group}:log-stream:*",
            },
        ]
        iam.RolePolicy(
            f"{self._name}-monitoring-rights",
            name="rights",
            role=role.name,
            policy=text(*rights),
            opts=self.child(),
        )
        arn: pulumi.Output[str] = role.arn
        return arn

    def _reached(self, where: list[Any]) -> Parameters:
        host, port = self._wanted.settings.endpoint or where
        return {
            "host": host,
            "port": str(port),
            "user": MASTER,
            "password": "",
            "dbname": DATABASE,
            "sslmode": "verify-full",
            "sslrootcert": self._wanted.settings.root_certificate,
        }

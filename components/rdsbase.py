"""What every server of Amazon RDS has, whatever its engine: key, subnets, parameters, logs, and who measures it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, rds

from components.base import Component
from components.documents import key_rights
from components.namedkey import named_key
from components.network import Network
from components.servicerole import service_role
from declared.connectionurl import Parameters
from targets.target import Wanted

MAJOR = "17"
MASTER, DATABASE = "master", "app"
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
# What pg_cron needs beside its extension.
CRON: Mapping[str, tuple[str, str]] = {
    "shared_preload_libraries": ("pg_stat_statements,pg_cron", AT_RESTART),
    "cron.database_name": (DATABASE, AT_RESTART),
}


def parameters(without: Collection[str] = (), cron: bool = False) -> list[dict[str, str]]:
    """The parameters as a group has them.

    Args:
        without: those that its engine doesn't know.
        cron: whether pg_cron is loaded, for our database.
    """
    return [
        {"name": name, "value": value, "apply_method": when}
        for name, (value, when) in {**PARAMETERS, **(CRON if cron else {})}.items()
        if name not in without
    ]


class RdsBase(Component):
    """A server of RDS, closed to all but sessions with TLS; what kind of server it is says who inherits."""

    login: pulumi.Output[Parameters]
    """The master's, without its password, which AWS keeps and changes."""
    secret: pulumi.Output[str]
    """The ARN of the secret with the password."""
    reader: pulumi.Output[Parameters] | None = None
    """The same login where sessions only read."""
    kms_key: pulumi.Output[str]
    """The ARN of the key of the server and its secrets."""
    port: pulumi.Output[int]
    arn: pulumi.Output[str]
    ready: Sequence[pulumi.Resource]
    """What takes its sessions."""
    target: Mapping[str, Any]
    """What a proxy names the server by."""
    servers: Mapping[str, pulumi.Resource]
    """Each server by its identifier."""
    log: str
    """The log group of PostgreSQL's log."""

    def __init__(self, name: str, wanted: Wanted, network: Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"class": wanted.settings.class_}, opts)
        self._name, self._wanted, self._names = name, wanted, wanted.found.names
        rights = key_rights(self._names.account)
        # Backups outlive the server, and are read with its key alone.
        self._key, _ = named_key(self, name, "database", wanted.found, [rights], disposable=False, outlives=True)
        self.kms_key = self._key.arn
        self._subnets = rds.SubnetGroup(
            f"{name}-subnets",
            name=self._names.of("database"),
            description=f"Private subnets of {self._names.stack}",
            subnet_ids=list(network.subnets),
            opts=self.child(),
        )
        self._measured_by = self._monitoring()
        self._network = network.exports["vpc"]

    def _kept(self, identifier: str) -> dict[str, Any]:
        """Backups, and what stands between the server and its end."""
        return {
            "storage_encrypted": True,
            "kms_key_id": self._key.arn,
            "manage_master_user_password": True,
            "master_user_secret_kms_key_id": self._key.key_id,
            "backup_retention_period": self._wanted.settings.backup_days,
            "copy_tags_to_snapshot": True,
            "delete_automated_backups": False,
            "deletion_protection": self._wanted.keep,
            "skip_final_snapshot": False,
            # As long as the server is there it has this one name, also after a lost state; another life of the stack
            # has another network.
            "final_snapshot_identifier": pulumi.Output.concat(identifier, "-", self._network),
        }

    def _watched(self) -> dict[str, Any]:
        return {
            "performance_insights_enabled": True,
            "performance_insights_kms_key_id": self._key.arn,
            # The days that cost nothing.
            "performance_insights_retention_period": 7,
            "monitoring_interval": 60,
            "monitoring_role_arn": self._measured_by,
        }

    def _logs(self, group: str, names: Sequence[str]) -> list[cloudwatch.LogGroup]:
        """There before the server: RDS would make them, without an end to what they keep."""
        return [
            cloudwatch.LogGroup(
                f"{self._name}-log-{log}",
                name=f"/aws/rds/{group}/{log}",
                retention_in_days=LOG_DAYS,
                opts=self.child(),
            )
            for log in names
        ]

    def _monitoring(self) -> pulumi.Output[str]:
        """The role that RDS takes to write the measures of the machine under the server."""
        group = f"arn:aws:logs:*:{self._names.account}:log-group:RDSOSMetrics"
        rights = [
            {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:PutRetentionPolicy"], "Resource": f"{group}:*"},
            {
                "Effect": "Allow",
                "Action": [f"logs:{action}" for action in MEASURES],
                "Resource": f"{group}:log-stream:*",
            },
        ]
        names = (f"{self._name}-monitoring", f"{self._name}-monitoring-rights")
        role, _ = service_role(self, names, "monitoring", MONITORING, self._wanted.found, rights)
        arn: pulumi.Output[str] = role.arn
        return arn

    def _reached(self, where: list[Any]) -> Parameters:
        host, port = self._wanted.settings.endpoint or where[:2]
        return {
            "host": host,
            "port": str(port),
            "user": MASTER,
            "password": "",
            "dbname": DATABASE,
            "sslmode": "verify-full",
            "sslrootcert": self._wanted.settings.root_certificate,
        }

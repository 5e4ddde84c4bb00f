"""RDS: what moto takes and AWS refuses, and what moto forgets.

As in the Amazon RDS API reference and user guide: a subnet group has a name once and covers two zones at least
("CreateDBSubnetGroup"), and one that is used stays, as do parameter groups ("DeleteDBSubnetGroup",
"DeleteDBParameterGroup"); a static parameter isn't applied at once ("Working with DB parameter groups"); a key of KMS
has to be there and enabled ("KMSKeyNotAccessibleFault"); the role for enhanced monitoring is one that
monitoring.rds.amazonaws.com may take ("Setting up and enabling Enhanced Monitoring"); an instance isn't deleted
without a last snapshot unless that is said ("DeleteDBInstance"); a group that an instance is in stays
("DeleteSecurityGroup": DependencyViolation). A major version alone means its newest minor version.

What holds for an instance holds for a cluster of Aurora ("CreateDBCluster", "DeleteDBCluster"); one of db.serverless
needs the cluster's capacities ("Using Aurora Serverless v2").

Performance Insights is kept, `ModifyDBSubnetGroup` keeps the group, `ResetDBParameterGroup` and
`ResetDBClusterParameterGroup` are there.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models import EC2Backend
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.moto_api._internal import mock_random
from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBCluster, DBInstance, RDSBackend
from moto.rds.responses import RDSResponse

MONITORING = "monitoring.rds.amazonaws.com"
NEWEST = {"17": "17.6", "16": "16.10"}
# Those of PostgreSQL that wait for a restart; each other one is dynamic.
STATIC = frozenset({"rds.logical_replication", "shared_preload_libraries", "max_replication_slots", "max_wal_senders",
                    "max_connections", "max_worker_processes", "shared_buffers", "autovacuum_max_workers",
                    "track_commit_timestamp", "rds.max_tcp_buffers"})  # fmt: skip
INSIGHTS = {
    "enable_performance_insights": "performance_insights_enabled",
    "performance_insights_kms_key_id": "performance_insights_kms_key_id",
    "performance_insights_retention_period": "performance_insights_retention_period",
}

Method = Callable[..., Any]


def _refused(code: str, message: str) -> RDSClientError:
    return RDSClientError(code, message)


def _check_key(backend: RDSBackend, key: str | None) -> None:
    if not key:
        return
    keys = kms_backends[backend.account_id][backend.region_name]
    id = keys.get_key_id_from_alias(key) if key.startswith("alias/") else key.rsplit("/", 1)[-1]
    if id not in keys.keys or keys.keys[id].key_state != "Enabled":
        raise _refused("KMSKeyNotAccessibleFault", f"The specified KMS key [{key}] doesn't exist or isn't enabled.")


def _check_monitoring(backend: RDSBackend, role: str | None) -> None:
    if not role:
        return
    found = {each.arn: each for each in iam_backends[backend.account_id]["aws"].roles.values()}.get(role)
    if found is None or MONITORING not in str(found.assume_role_policy_document):
        message = "IAM role ARN value is invalid or does not include the required permissions for: ENHANCED_MONITORING"
        raise _refused("InvalidParameterValue", message)


def _keep_insights(database: DBInstance, given: dict[str, Any]) -> None:
    for name, kept in INSIGHTS.items():
        if given.get(name) is not None:
            setattr(database, kept, given[name])
    if not getattr(database, "performance_insights_enabled", False):
        database.performance_insights_kms_key_id = None
        database.performance_insights_retention_period = None


def _create(real: Method) -> Method:
    def create_db_instance(self: RDSBackend, db_kwargs: dict[str, Any]) -> Any:
        for name in ("kms_key_id", "performance_insights_kms_key_id", "master_user_secret_kms_key_id"):
            _check_key(self, db_kwargs.get(name))
        _check_monitoring(self, db_kwargs.get("monitoring_role_arn"))
        if cluster := db_kwargs.get("db_cluster_identifier"):
            _check_capacities(self.clusters.get(cluster), db_kwargs["db_instance_class"])
        if version := db_kwargs.get("engine_version"):
            db_kwargs["engine_version"] = NEWEST.get(version, version)
        made = real(self, db_kwargs)
        made.dbi_resource_id = f"db-{mock_random.get_random_hex(26).upper()}"
        _keep_insights(made, db_kwargs)
        return made

    return create_db_instance


def _check_capacities(cluster: DBCluster | None, size: str) -> None:
    if cluster is not None and size == "db.serverless" and not cluster.serverless_v2_scaling_configuration:
        message = (
            "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a Serverless v2 DB "
            "instance."
        )
        raise _refused("InvalidDBClusterStateFault", message)


def _create_cluster(real: Method) -> Method:
    def create_db_cluster(self: RDSBackend, kwargs: dict[str, Any]) -> Any:
        if kwargs["db_cluster_identifier"] in self.clusters:
            raise _refused("DBClusterAlreadyExistsFault", "DB Cluster already exists")
        for name in ("kms_key_id", "master_user_secret_kms_key_id"):
            _check_key(self, kwargs.get(name))
        if version := kwargs.get("engine_version"):
            kwargs["engine_version"] = NEWEST.get(version, version)
        return real(self, kwargs)

    return create_db_cluster


def _modify_cluster(real: Method) -> Method:
    def modify_db_cluster(self: RDSBackend, kwargs: dict[str, Any]) -> Any:
        if version := kwargs.get("engine_version"):
            kwargs["engine_version"] = NEWEST.get(version, version)
        logs = kwargs.pop("cloudwatch_logs_export_configuration", None) or {}
        changed = real(self, kwargs)
        # moto takes them under the name that they have when a cluster is made.
        cluster = self.clusters[changed.db_cluster_identifier]
        kept = set(cluster.enabled_cloudwatch_logs_exports) - set(logs.get("disable_log_types") or ())
        cluster.enabled_cloudwatch_logs_exports = sorted(kept | set(logs.get("enable_log_types") or ()))
        return changed

    return modify_db_cluster


def _delete_cluster(real: Method) -> Method:
    def delete_db_cluster(self: RDSResponse) -> Any:
        if not self.params.get("SkipFinalSnapshot") and not self.params.get("FinalDBSnapshotIdentifier"):
            message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
            raise _refused("InvalidParameterCombination", message)
        return real(self)

    return delete_db_cluster


def _modify(real: Method) -> Method:
    def modify_db_instance(self: RDSBackend, db_instance_identifier: str, db_kwargs: dict[str, Any]) -> Any:
        _check_key(self, db_kwargs.get("performance_insights_kms_key_id"))
        _check_monitoring(self, db_kwargs.get("monitoring_role_arn"))
        if version := db_kwargs.get("engine_version"):
            db_kwargs["engine_version"] = NEWEST.get(version, version)
        changed = real(self, db_instance_identifier, db_kwargs)
        _keep_insights(changed, db_kwargs)
        return changed

    return modify_db_instance


def _delete(real: Method) -> Method:
    def delete_db_instance(self: RDSBackend, db_instance_identifier: str, **more: Any) -> Any:
        member = getattr(self.databases.get(db_instance_identifier), "db_cluster_identifier", None)
        if not member and not more.get("skip_final_snapshot") and not more.get("final_db_snapshot_identifier"):
            message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
            raise _refused("InvalidParameterCombination", message)
        return real(self, db_instance_identifier, **more)

    return delete_db_instance


def _check_zones(subnets: list[Any]) -> None:
    if len({subnet.availability_zone for subnet in subnets}) < 2:
        message = (
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: "
            f"{subnets[0].availability_zone if subnets else ''}. Add subnets to cover at least 2 AZs."
        )
        raise _refused("DBSubnetGroupDoesNotCoverEnoughAZs", message)


def _create_subnets(real: Method) -> Method:
    def create_subnet_group(self: RDSBackend, subnet_name: str, description: str, subnets: Any, tags: Any) -> Any:
        if subnet_name in self.subnet_groups:
            raise _refused("DBSubnetGroupAlreadyExists", f"The DB subnet group '{subnet_name}' already exists.")
        _check_zones(subnets)
        return real(self, subnet_name, description, subnets, tags)

    return create_subnet_group


def _modify_subnets(real: Method) -> Method:
    def modify_db_subnet_group(self: RDSBackend, subnet_name: str, description: str, subnets: Any) -> Any:
        _check_zones(subnets)
        changed = real(self, subnet_name, description, subnets)
        self.subnet_groups[subnet_name] = changed
        return changed

    return modify_db_subnet_group


def _delete_subnets(real: Method) -> Method:
    def delete_subnet_group(self: RDSBackend, subnet_name: str) -> Any:
        users = [getattr(each, "_db_subnet_group_name", "") for each in self.databases.values()]
        if subnet_name in [*users, *(each.db_subnet_group_name for each in self.clusters.values())]:
            message = f"Cannot delete the subnet group '{subnet_name}' because at least one database uses it."
            raise _refused("InvalidDBSubnetGroupStateFault", message)
        return real(self, subnet_name)

    return delete_subnet_group


def _delete_parameters(real: Method) -> Method:
    def delete_db_parameter_group(self: RDSBackend, db_parameter_group_name: str) -> Any:
        if any(each.db_parameter_group_name == db_parameter_group_name for each in self.databases.values()):
            message = (
                f"One or more database instances are still members of this parameter group {db_parameter_group_name}"
            )
            raise _refused("InvalidDBParameterGroupState", message)
        return real(self, db_parameter_group_name)

    return delete_db_parameter_group


def _delete_cluster_parameters(real: Method) -> Method:
    def delete_db_cluster_parameter_group(self: RDSBackend, db_cluster_parameter_group_name: str) -> Any:
        name = db_cluster_parameter_group_name
        if any(each.parameter_group == name for each in self.clusters.values()):
            message = f"One or more database clusters are still members of this parameter group {name}"
            raise _refused("InvalidDBParameterGroupState", message)
        return real(self, name)

    return delete_db_cluster_parameter_group


def _modify_parameters(real: Method) -> Method:
    def modify(self: RDSBackend, name: str, parameters: list[dict[str, Any]]) -> Any:
        for each in parameters:
            if each["ParameterName"] in STATIC and each.get("ApplyMethod") == "immediate":
                message = f"cannot use immediate apply method for static parameter, parameter={each['ParameterName']}"
                raise _refused("InvalidParameterCombination", message)
        return real(self, name, parameters)

    return modify


def _reset_parameters(self: RDSResponse) -> ActionResult:
    name = self.params["DBParameterGroupName"]
    (group,) = self.backend.describe_db_parameter_groups({"db_parameter_group_name": name})
    for each in self.params.get("Parameters", []):
        group.parameters.pop(each.original_dict()["ParameterName"], None)
    return ActionResult({"DBParameterGroupName": name})


def _reset_cluster_parameters(self: RDSResponse) -> ActionResult:
    name = self.params["DBClusterParameterGroupName"]
    (group,) = self.backend.describe_db_cluster_parameter_groups(name)
    for each in self.params.get("Parameters", []):
        group.parameters.pop(each.original_dict()["ParameterName"], None)
    return ActionResult({"DBClusterParameterGroupName": name})


def _delete_group(real: Method) -> Method:
    def delete_security_group(self: EC2Backend, name: str | None = None, group_id: str | None = None) -> Any:
        from moto.rds.models import rds_backends

        there = rds_backends[self.account_id][self.region_name]
        users = [*there.databases.values(), *there.clusters.values()]
        groups = itertools.chain.from_iterable(getattr(each, "vpc_security_group_ids", []) for each in users)
        if group_id in groups:
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        return real(self, name, group_id)

    return delete_security_group


WRAPPED: dict[str, Callable[[Method], Method]] = {
    "create_db_cluster": _create_cluster,
    "modify_db_cluster": _modify_cluster,
    "create_db_instance": _create,
    "modify_db_instance": _modify,
    "delete_db_instance": _delete,
    "create_subnet_group": _create_subnets,
    "modify_db_subnet_group": _modify_subnets,
    "delete_subnet_group": _delete_subnets,
    "delete_db_parameter_group": _delete_parameters,
    "modify_db_parameter_group": _modify_parameters,
    "delete_db_cluster_parameter_group": _delete_cluster_parameters,
    "modify_db_cluster_parameter_group": _modify_parameters,
}


def install() -> None:
    """Puts all of it into moto's classes; once per process, before the server is made."""
    for name, wrap in WRAPPED.items():
        real = getattr(RDSBackend, name)
        setattr(RDSBackend, name, functools.wraps(real)(wrap(real)))
    RDSResponse.reset_db_parameter_group = _reset_parameters
    RDSResponse.reset_db_cluster_parameter_group = _reset_cluster_parameters
    deleting = RDSResponse.delete_db_cluster
    RDSResponse.delete_db_cluster = functools.wraps(deleting)(_delete_cluster(deleting))
    real = EC2Backend.delete_security_group
    EC2Backend.delete_security_group = functools.wraps(real)(_delete_group(real))

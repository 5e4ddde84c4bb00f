"""Proxies of RDS: what moto takes and AWS refuses, and what fails there.

As in the Amazon RDS API reference and user guide: subnets cover two zones ("CreateDBProxy": InvalidSubnet), the role is
one that rds.amazonaws.com may take, and the secrets are there ("Setting up database credentials for RDS Proxy"); a
target is a server or cluster that is there ("RegisterDBProxyTargets"); a group that a proxy is in stays
("DeleteSecurityGroup": DependencyViolation). `ModifyDBProxy` is there, and a proxy that isn't is said to be none.
"""

import functools
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.iam.models import iam_backends
from moto.rds.exceptions import RDSClientError
from moto.rds.models import RDSBackend, rds_backends
from moto.rds.responses import RDSResponse
from moto.secretsmanager.models import secretsmanager_backends

SERVICE = "rds.amazonaws.com"
CHANGED = {
    "RequireTLS": "require_tls",
    "IdleClientTimeout": "idle_client_timeout",
    "DebugLogging": "debug_logging",
    "RoleArn": "role_arn",
    "SecurityGroups": "vpc_security_group_ids",
    "Auth": "auth",
}

Method = Callable[..., Any]


def _check(backend: RDSBackend, role: str | None, auth: list[dict[str, str]] | None) -> None:
    """
    :raises RDSClientError: for a role that RDS can't take, and a secret that isn't there
    """
    if role is not None:
        found = {each.arn: each for each in iam_backends[backend.account_id]["aws"].roles.values()}.get(role)
        if found is None or SERVICE not in str(found.assume_role_policy_document):
            raise RDSClientError("InvalidParameterValue", f"IAM role {role} can't be assumed by RDS.")
    secrets = secretsmanager_backends[backend.account_id][backend.region_name].secrets
    for each in auth or []:
        if each.get("SecretArn") not in secrets:
            message = f"Secrets Manager can't find the specified secret {each.get('SecretArn')}."
            raise RDSClientError("InvalidParameterValue", message)


def _create(real: Method) -> Method:
    def create_db_proxy(self: RDSBackend, **given: Any) -> Any:
        subnets = ec2_backends[self.account_id][self.region_name].describe_subnets(subnet_ids=given["vpc_subnet_ids"])
        if len({each.availability_zone for each in subnets}) < 2:
            raise RDSClientError("InvalidSubnet", "DB Proxy subnets must cover at least two Availability Zones.")
        _check(self, given["role_arn"], given["auth"])
        return real(self, **given)

    return create_db_proxy


def _register(real: Method) -> Method:
    def register_db_proxy_targets(self: RDSBackend, **given: Any) -> Any:
        for name in given["db_instance_identifiers"]:
            if name not in self.databases:
                raise RDSClientError("DBInstanceNotFound", f"DBInstance {name} not found.")
        for name in given["db_cluster_identifiers"]:
            if name not in self.clusters:
                raise RDSClientError("DBClusterNotFoundFault", f"DBCluster {name} not found.")
        return real(self, **given)

    return register_db_proxy_targets


def _delete(real: Method) -> Method:
    def delete_db_proxy(self: RDSBackend, proxy_name: str) -> Any:
        self.describe_db_proxies(proxy_name)
        return real(self, proxy_name)

    return delete_db_proxy


def _modify(self: RDSResponse) -> ActionResult:
    (proxy,) = self.backend.describe_db_proxies(self.params["DBProxyName"])
    _check(self.backend, self.params.get("RoleArn"), self.params.get("Auth"))
    for name, kept in CHANGED.items():
        if name in self.params:
            setattr(proxy, kept, self.params[name])
    return ActionResult({"DBProxy": proxy})


def _delete_group(real: Method) -> Method:
    def delete_security_group(self: EC2Backend, name: str | None = None, group_id: str | None = None) -> Any:
        proxies = rds_backends[self.account_id][self.region_name].db_proxies.values()
        if any(group_id in each.vpc_security_group_ids for each in proxies):
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        return real(self, name, group_id)

    return delete_security_group


def install() -> None:
    """Puts all of it into moto's classes; once per process, before the server is made."""
    for owner, name, wrap in (
        (RDSBackend, "create_db_proxy", _create),
        (RDSBackend, "delete_db_proxy", _delete),
        (RDSBackend, "register_db_proxy_targets", _register),
        (EC2Backend, "delete_security_group", _delete_group),
    ):
        real = getattr(owner, name)
        setattr(owner, name, functools.wraps(real)(wrap(real)))
    RDSResponse.modify_db_proxy = _modify

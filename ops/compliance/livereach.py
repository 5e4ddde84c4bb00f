"""What is at AWS of who reaches what: roles, the network, functions, secrets; and of logs and vaults. See `live.py`."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from guardrails.model import Resource
from guardrails.rules import accounts, network, rights, upkeep

Client = Callable[..., Any]
"""Service, and region where it isn't the stack's, to a client."""
FLOW_LOG, ROTATION = "aws:ec2/flowLog:FlowLog", "aws:secretsmanager/secretRotation:SecretRotation"


def _role(type: str, name: str, client: Client) -> Iterator[Resource]:
    iam = client("iam")
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    yield Resource.of(type, name, {"name": name, "assumeRolePolicy": trust})
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        yield Resource.of(accounts.ROLE_POLICY, f"{name}/{policy}", {"policy": document})
    for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        yield Resource.of(rights.ATTACHMENTS[0], f"{name}/{each['PolicyName']}", {"policyArn": each["PolicyArn"]})


def _subnet(type: str, id: str, client: Client) -> Iterator[Resource]:
    (found,) = client("ec2").describe_subnets(SubnetIds=[id])["Subnets"]
    yield Resource.of(type, id, {"mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"]})


def _vpc(type: str, id: str, client: Client) -> Iterator[Resource]:
    ec2 = client("ec2")
    ec2.describe_vpcs(VpcIds=[id])
    yield Resource.of(type, id, {})
    for each in ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [id]}])["FlowLogs"]:
        yield Resource.of(FLOW_LOG, each["FlowLogId"], {})


def _group(type: str, id: str, client: Client) -> Iterator[Resource]:
    ec2 = client("ec2")
    ec2.describe_security_groups(GroupIds=[id])
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [id]}])["SecurityGroupRules"]
    keys = {"cidrIpv4": "CidrIpv4", "cidrIpv6": "CidrIpv6", "prefixListId": "PrefixListId"}
    ingress = [{key: each.get(name) for key, name in keys.items()} for each in rules if not each["IsEgress"]]
    yield Resource.of(type, id, {"ingress": ingress})


def _function(type: str, name: str, client: Client) -> Iterator[Resource]:
    functions = client("lambda")
    found = functions.get_function_configuration(FunctionName=name)
    subnets = (found.get("VpcConfig") or {}).get("SubnetIds", [])
    yield Resource.of(type, name, {"runtime": found.get("Runtime"), "vpcConfig": {"subnetIds": subnets}})
    try:
        policy = json.loads(functions.get_policy(FunctionName=name)["Policy"])
    except ClientError as error:
        # One that nobody may call has none.
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return
    for each in policy["Statement"]:
        principal = each["Principal"]
        who = principal if isinstance(principal, str) else next(iter(principal.values()))
        condition = each.get("Condition") or {}
        source = next((value for test in condition.values() for value in test.values()), None)
        yield Resource.of(accounts.PERMISSION, f"{name}/{each['Sid']}", {"principal": who, "sourceArn": source})


def _secret(type: str, arn: str, client: Client) -> Iterator[Resource]:
    found = client("secretsmanager").describe_secret(SecretId=arn)
    name = found["Name"]
    yield Resource.of(type, name, {"name": name, "kmsKeyId": found.get("KmsKeyId")})
    if found.get("RotationEnabled"):
        yield Resource.of(ROTATION, name, {"secretId": name})


def _proxy(type: str, name: str, client: Client) -> Iterator[Resource]:
    (found,) = client("rds").describe_db_proxies(DBProxyName=name)["DBProxies"]
    yield Resource.of(type, name, {"requireTls": found["RequireTLS"]})


def _log(type: str, name: str, client: Client) -> Iterator[Resource]:
    groups = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    for each in groups:
        if each["logGroupName"] == name:
            yield Resource.of(type, name, {"retentionInDays": each.get("retentionInDays")})


def _vault(type: str, name: str, client: Client) -> Iterator[Resource]:
    found = client("backup").describe_backup_vault(BackupVaultName=name)
    yield Resource.of(type, name, {"name": name, "kmsKeyArn": found.get("EncryptionKeyArn")})
    lock = {"backupVaultName": name, "minRetentionDays": found.get("MinRetentionDays")}
    yield Resource.of(upkeep.VAULT_LOCK, name, lock)


READ: dict[str, Callable[[str, str, Client], Iterator[Resource]]] = {
    accounts.ROLE: _role,
    accounts.FUNCTION: _function,
    accounts.HELD_SECRET: _secret,
    network.SUBNET: _subnet,
    network.VPC: _vpc,
    network.GROUP: _group,
    network.PROXY: _proxy,
    upkeep.LOG: _log,
    upkeep.VAULT: _vault,
}

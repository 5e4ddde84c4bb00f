"""Proxies of RDS, which lend the sessions of a server to many clients, with what they lead to."""

from typing import Any, ClassVar

from local.standins.aws.rds import NOT_KEPT, RdsKind
from local.standins.aws.resource import AutoName, AwsKind, Site, Values
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Block, Field, SetOf, TagMap, choice
from plugin.server import CheckFailure

_GONE = frozenset({"DBProxyNotFoundFault", "DBProxyTargetNotFoundFault", "DBProxyTargetGroupNotFoundFault"})


class Proxy(RdsKind):
    """A proxy."""

    token = "aws:rds/proxy:Proxy"
    noun = "proxy"
    gone = _GONE
    auto_name = AutoName("name", limit=60, lower=True)
    _auth = Block(
        {
            "authScheme": Field(shape=choice("SECRETS"), default="SECRETS"),
            "clientPasswordAuthType": Field(computed=True),
            "description": Field(),
            "iamAuth": Field(shape=choice("DISABLED", "REQUIRED"), aws="IAMAuth"),
            "secretArn": Field(),
            "username": Field(aws="UserName"),
        }
    )
    properties: ClassVar = {
        "auths": Field(shape=SetOf(_auth, key="secretArn"), aws="Auth"),
        "debugLogging": Field(shape=FLAG),
        "engineFamily": Field(required=True, immutable=True),
        "idleClientTimeout": Field(shape=NUMBER, computed=True),
        "name": Field(computed=True, immutable=True, aws="DBProxyName"),
        "requireTls": Field(shape=FLAG, aws="RequireTLS"),
        "roleArn": Field(required=True),
        "vpcSecurityGroupIds": Field(shape=SetOf(TEXT), computed=True),
        "vpcSubnetIds": Field(shape=SetOf(TEXT), required=True, immutable=True),
    }
    outputs: ClassVar = {"arn": TEXT, "endpoint": TEXT}
    refused: ClassVar = dict.fromkeys(
        ("defaultAuthScheme", "endpointNetworkType", "targetConnectionNetworkType"), NOT_KEPT
    )

    def make(self, site: Site, inputs: Values) -> str:
        arguments = Block(self.properties).to_aws(inputs)
        site.client.create_db_proxy(Tags=TagMap().to_aws(self.all_tags(inputs)), **arguments)
        return str(inputs["name"])

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_db_proxies(DBProxyName=id)["DBProxies"]
        return {
            **Block(self.properties).from_aws(found),
            "arn": found["DBProxyArn"],
            "endpoint": found["Endpoint"],
            "tagsAll": self._tags(site, found["DBProxyArn"]),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        changes = self._changed(state, new)
        if "VpcSecurityGroupIds" in changes:
            changes["SecurityGroups"] = changes.pop("VpcSecurityGroupIds")
        if changes:
            site.client.modify_db_proxy(DBProxyName=id, **changes)
        self._retag(site, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_db_proxy(DBProxyName=id)


class ProxyDefaultTargetGroup(AwsKind):
    """How many sessions a proxy may hold. It is there with its proxy, and goes with it."""

    token = "aws:rds/proxyDefaultTargetGroup:ProxyDefaultTargetGroup"
    service = "rds"
    noun = "target group of proxy"
    gone = _GONE
    _pool = Block(
        {
            "connectionBorrowTimeout": Field(shape=NUMBER, computed=True),
            "maxConnectionsPercent": Field(shape=NUMBER, computed=True),
            "maxIdleConnectionsPercent": Field(shape=NUMBER, computed=True),
            "sessionPinningFilters": Field(shape=SetOf(TEXT)),
        },
        {"initQuery": NOT_KEPT},
    )
    properties: ClassVar = {
        "connectionPoolConfig": Field(shape=_pool, computed=True),
        "dbProxyName": Field(required=True, immutable=True),
    }
    outputs: ClassVar = {"arn": TEXT, "name": TEXT}

    def make(self, site: Site, inputs: Values) -> str:
        self._set(site, inputs["dbProxyName"], inputs)
        return str(inputs["dbProxyName"])

    def _set(self, site: Site, proxy: str, inputs: Values) -> None:
        config = self._pool.to_aws(inputs.get("connectionPoolConfig") or {})
        site.client.modify_db_proxy_target_group(
            DBProxyName=proxy, TargetGroupName="default", ConnectionPoolConfig=config
        )

    def find(self, site: Site, id: str) -> Values | None:
        # Where there is no such proxy, moto fails at its group.
        site.client.describe_db_proxies(DBProxyName=id)
        (found,) = site.client.describe_db_proxy_target_groups(DBProxyName=id)["TargetGroups"]
        return {
            "arn": found["TargetGroupArn"],
            "connectionPoolConfig": self._pool.from_aws(found["ConnectionPoolConfig"]),
            "dbProxyName": id,
            "name": found["TargetGroupName"],
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        self._set(site, id, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        """It goes with its proxy."""


class ProxyTarget(AwsKind):
    """The server or cluster that a proxy leads to."""

    token = "aws:rds/proxyTarget:ProxyTarget"
    service = "rds"
    noun = "target"
    gone = _GONE
    properties: ClassVar = {
        "dbClusterIdentifier": Field(immutable=True),
        "dbInstanceIdentifier": Field(immutable=True),
        "dbProxyName": Field(required=True, immutable=True),
        "targetGroupName": Field(required=True, immutable=True),
    }
    outputs: ClassVar = {"port": NUMBER, "rdsResourceId": TEXT, "type": TEXT}
    withheld = frozenset({"endpoint", "targetArn", "trackedClusterId"})

    def faults(self, inputs: Values) -> list[CheckFailure]:
        given = [name for name in ("dbClusterIdentifier", "dbInstanceIdentifier") if inputs.get(name)]
        if len(given) == 1:
            return []
        return [CheckFailure("dbInstanceIdentifier", "or dbClusterIdentifier must be given, and not both")]

    def make(self, site: Site, inputs: Values) -> str:
        named = {"DBClusterIdentifiers": "dbClusterIdentifier", "DBInstanceIdentifiers": "dbInstanceIdentifier"}
        proxy, group = inputs["dbProxyName"], inputs["targetGroupName"]
        (made,) = site.client.register_db_proxy_targets(
            DBProxyName=proxy,
            TargetGroupName=group,
            **{argument: [inputs[name]] for argument, name in named.items() if inputs.get(name)},
        )["DBProxyTargets"]
        return f"{proxy}/{group}/{made['Type']}/{made['RdsResourceId']}"

    def find(self, site: Site, id: str) -> Values | None:
        proxy, group, type, resource = id.split("/")
        site.client.describe_db_proxies(DBProxyName=proxy)
        targets = site.client.describe_db_proxy_targets(DBProxyName=proxy)["Targets"]
        for each in targets:
            if (each["Type"], each["RdsResourceId"]) == (type, resource):
                named = "dbClusterIdentifier" if type == "TRACKED_CLUSTER" else "dbInstanceIdentifier"
                facts: dict[str, Any] = {"port": each["Port"], "rdsResourceId": resource, "type": type}
                return {"dbProxyName": proxy, "targetGroupName": group, named: resource, **facts}
        return None

    def remove(self, site: Site, id: str, state: Values) -> None:
        proxy, group, type, resource = id.split("/")
        argument = "DBClusterIdentifiers" if type == "TRACKED_CLUSTER" else "DBInstanceIdentifiers"
        site.client.deregister_db_proxy_targets(DBProxyName=proxy, TargetGroupName=group, **{argument: [resource]})


KINDS: tuple[type[AwsKind], ...] = (Proxy, ProxyDefaultTargetGroup, ProxyTarget)

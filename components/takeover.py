"""A server that is at AWS and not in the state: no second one is begun, and by a setting it is taken over.

A program doesn't see its state. So a hook asks AWS when the engine is about to create a network or a server, and with
the setting everything is imported by the ids that follow from the stack's names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from declared.awsnames import AwsNames
from declared.errors import UserError
from declared.servermeasures import EVENTS
from targets.endpoint import AwsEndpoint
from targets.found import Clients
from targets.target import Wanted

HOOK = "not-there-yet"
INSTANCE, CLUSTER, NETWORK = "aws:rds/instance:Instance", "aws:rds/cluster:Cluster", "aws:ec2/vpc:Vpc"
_LAST = ["finalSnapshotIdentifier", "skipFinalSnapshot", "deleteAutomatedBackups"]
_AT_ONCE = ["applyImmediately", "allowMajorVersionUpgrade"]
# What AWS doesn't say of a resource, so that an import can't have it as declared; the run after it puts that right.
UNSAID: Mapping[str, list[str]] = {
    INSTANCE: [*_LAST, *_AT_ONCE, "engineVersion"],
    CLUSTER: [*_LAST, *_AT_ONCE, "engineVersion"],
    "aws:rds/clusterInstance:ClusterInstance": ["applyImmediately"],
    "aws:secretsmanager/secret:Secret": ["recoveryWindowInDays"],
    "aws:lambda/function:Function": ["code"],
}
# Use of a group's server, that group, its clients', what the rule's name has at its end; as `Network` declares them.
RULES = (
    ("database", "database", "clients", ""),
    ("proxy", "proxy", "clients", ""),
    ("database", "database", "proxy", "-from-proxy"),
    ("endpoints", "endpoints", "clients", ""),
    ("database", "database", "monitor", "-from-monitor"),
    ("endpoints", "endpoints", "monitor", "-from-monitor"),
)


class CannotTakeOver(UserError):
    """What is there is more than one; the text is one line."""


@dataclass(frozen=True)
class AtAws:
    """What a stack's server and network are at AWS."""

    names: AwsNames
    region: str
    clients: Clients
    component: str
    """The name of the server's component, `server-rds` or `server-aurora`."""
    family: str
    """The family of its parameters."""

    @classmethod
    def of(cls, wanted: Wanted, aws: AwsEndpoint, component: str, family: str) -> "AtAws":
        return cls(wanted.found.names, wanted.region, Clients(aws, wanted.region), component, family)

    def server(self) -> str | None:
        """The identifier of the server or cluster that is there."""
        name = self.names.of("database")
        found = self._instance(name) or self._cluster(name)
        return name if found else None

    def network(self) -> str | None:
        """The id of the network that is there: the server's, or else the one with the stack's name.

        :raises CannotTakeOver: for several of the name
        """
        groups = self._rds("describe_db_subnet_groups", "DBSubnetGroups", DBSubnetGroupName=self.names.of("database"))
        if groups:
            return str(groups[0]["VpcId"])
        name = self.names.of("network")
        found = self._ec2("describe_vpcs", "Vpcs", {"tag:Name": name})
        if len(found) > 1:
            ids = ", ".join(sorted(each["VpcId"] for each in found))
            raise CannotTakeOver(f"there are several networks {name} at AWS, {ids}: delete those that nothing is in")
        return str(found[0]["VpcId"]) if found else None

    def ids(self) -> dict[str, str]:
        """Name in the program → the id that Pulumi imports it by, of all that is there.

        :raises CannotTakeOver: as for `network`
        """
        network = self.network()
        found = dict(self._of_network(network)) if network else {}
        return {**found, **dict(self._of_server())}

    def _of_network(self, network: str) -> Iterator[tuple[str, str]]:
        within, prefix = {"vpc-id": network}, "server-network"
        yield f"{prefix}-vpc", network
        zones = {}
        for subnet in self._ec2("describe_subnets", "Subnets", within):
            zone = subnet["AvailabilityZone"][-1]
            if _named(subnet) == self.names.of(f"private-{zone}"):
                zones[subnet["SubnetId"]] = zone
                yield f"{prefix}-subnet-{zone}", subnet["SubnetId"]
        yield from self._groups(within, prefix)
        for table in self._ec2("describe_route_tables", "RouteTables", within):
            if _named(table) == self.names.of("private"):
                yield f"{prefix}-routes", table["RouteTableId"]
                for joined in table["Associations"]:
                    if (subnet_id := joined.get("SubnetId")) in zones:
                        yield f"{prefix}-subnet-{zones[subnet_id]}-routes", f"{subnet_id}/{table['RouteTableId']}"
        for endpoint in self._ec2("describe_vpc_endpoints", "VpcEndpoints", within):
            service = endpoint["ServiceName"].removeprefix(f"com.amazonaws.{self.region}.")
            if endpoint["State"].lower() not in ("deleted", "deleting") and _named(endpoint) == self.names.of(service):
                yield f"{prefix}-{service}", endpoint["VpcEndpointId"]

    def _groups(self, within: Mapping[str, str], prefix: str) -> Iterator[tuple[str, str]]:
        uses = {self.names.of(use): use for use in ("clients", "database", "proxy", "endpoints", "monitor")}
        found = {
            uses[each["GroupName"]]: each["GroupId"]
            for each in self._ec2("describe_security_groups", "SecurityGroups", within)
            if each["GroupName"] in uses
        }
        for use, id in found.items():
            yield f"{prefix}-group-{use}", id
            for rule in self._ec2("describe_security_group_rules", "SecurityGroupRules", {"group-id": id}):
                other = rule.get("ReferencedGroupInfo", {}).get("GroupId")
                for of, server, clients, suffix in RULES:
                    way, near, far = ("to", clients, server) if rule["IsEgress"] else ("into", server, clients)
                    if use == near and other is not None and other == found.get(far):
                        yield f"{prefix}-{way}-{of}{suffix}", rule["SecurityGroupRuleId"]
                if rule["IsEgress"] and use == "clients" and rule.get("PrefixListId"):
                    yield f"{prefix}-to-s3", rule["SecurityGroupRuleId"]

    def _of_server(self) -> Iterator[tuple[str, str]]:
        name, prefix = self.names.of("database"), self.component
        if self._rds("describe_db_subnet_groups", "DBSubnetGroups", DBSubnetGroupName=name):
            yield f"{prefix}-subnets", name
        of, kind = ("DBCluster", "cluster") if self._cluster(name) else ("DB", "instance")
        call = f"describe_db_{'cluster_' if kind == 'cluster' else ''}parameter_groups"
        group = {f"{of}ParameterGroupName": self.names.of(self.family)}
        if self._rds(call, f"{of}ParameterGroups", **group):
            yield f"{prefix}-parameters", self.names.of(self.family)
        if self._instance(name):
            yield f"{prefix}-instance", name
        if cluster := self._cluster(name):
            yield f"{prefix}-cluster", name
            for member in cluster["DBClusterMembers"]:
                identifier = member["DBInstanceIdentifier"]
                yield f"{prefix}-server-{identifier.removeprefix(f'{name}-')}", identifier
        start = f"/aws/rds/{kind}/{name}/"
        for log in self.clients.of("logs").describe_log_groups(logGroupNamePrefix=start)["logGroups"]:
            yield f"{prefix}-log-{log['logGroupName'].removeprefix(start)}", log["logGroupName"]
        yield from self._of_proxy(name)
        # Alarms, filters and dashboards are put over those that are there.
        for source in EVENTS:
            events = self.names.of(f"events-{source}")
            if self._rds("describe_event_subscriptions", "EventSubscriptionsList", SubscriptionName=events):
                yield f"server-watch-events-{source}", events
        yield from self._of_health()

    def _of_proxy(self, name: str) -> Iterator[tuple[str, str]]:
        if self._rds("describe_db_proxies", "DBProxies", DBProxyName=name):
            yield "server-proxy-proxy", name
            yield "server-proxy-pool", name
            for target in self._rds("describe_db_proxy_targets", "Targets", DBProxyName=name):
                # The members of a cluster are listed beside it.
                if target["RdsResourceId"] == name:
                    yield "server-proxy-target", f"{name}/default/{target['Type']}/{name}"
        start = self.names.of("login-")
        filters = [{"Key": "name", "Values": [start]}]
        for secret in self.clients.of("secretsmanager").list_secrets(Filters=filters)["SecretList"]:
            yield f"server-proxy-secret-{secret['Name'].removeprefix(start)}", secret["ARN"]

    def _of_health(self) -> Iterator[tuple[str, str]]:
        """The function that asks for the database's health; its role is found with all others."""
        called, secret = self.names.of("health"), self.names.of("health-login")
        for log in self.clients.of("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{called}")["logGroups"]:
            if log["logGroupName"] == f"/aws/lambda/{called}":
                yield "server-health-log", log["logGroupName"]
        filters = [{"Key": "name", "Values": [secret]}]
        for found in self.clients.of("secretsmanager").list_secrets(Filters=filters)["SecretList"]:
            if found["Name"] == secret:
                yield "server-health-secret", found["ARN"]
        functions = self.clients.of("lambda")
        if _asks(functions.get_function, FunctionName=called):
            yield "server-health-function", called
            if _asks(functions.get_policy, FunctionName=called):
                yield "server-health-allowed", f"{called}/schedule"

    def _instance(self, name: str) -> Mapping[str, Any] | None:
        return next(iter(self._rds("describe_db_instances", "DBInstances", DBInstanceIdentifier=name)), None)

    def _cluster(self, name: str) -> Mapping[str, Any] | None:
        return next(iter(self._rds("describe_db_clusters", "DBClusters", DBClusterIdentifier=name)), None)

    def _rds(self, call: str, of: str, **arguments: Any) -> list[Any]:
        from botocore.exceptions import ClientError

        try:
            return list(getattr(self.clients.of("rds"), call)(**arguments)[of])
        except ClientError as error:
            if "NotFound" in error.response["Error"]["Code"]:
                return []
            raise

    def _ec2(self, call: str, of: str, filters: Mapping[str, str]) -> list[Any]:
        wanted = [{"Name": name, "Values": [value]} for name, value in filters.items()]
        pages = self.clients.of("ec2").get_paginator(call).paginate(Filters=wanted)
        return [each for page in pages for each in page[of]]


def _asks(call: Any, **arguments: str) -> bool:
    """Whether what is asked for is there."""
    from botocore.exceptions import ClientError

    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return False
        raise
    return True


def _named(resource: Mapping[str, Any]) -> str | None:
    return next((tag["Value"] for tag in resource.get("Tags", []) if tag["Key"] == "Name"), None)


def options(wanted: Wanted, there: AtAws) -> pulumi.ResourceOptions:
    """What has components import what is there, where the setting says so, and else refuse a second network or server.

    :raises CannotTakeOver: where it isn't clear what to import
    """
    ids = _asked(there.ids) if wanted.settings.take_over else {}
    # Also where nothing is refused: the state may still name it.
    hook = pulumi.ResourceHook(HOOK, _Refusal(wanted, there).ask, pulumi.ResourceHookOptions(on_dry_run=True))
    refusing = pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[hook]))

    def change(seen: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        more = []
        if seen.type_ in (INSTANCE, CLUSTER, NETWORK):
            more.append(refusing)
        if id := ids.get(seen.name):
            unsaid = UNSAID.get(seen.type_, [])
            more.append(pulumi.ResourceOptions(import_=id, ignore_changes=unsaid))
        if not more:
            return None
        opts = seen.opts
        for each in more:
            opts = pulumi.ResourceOptions.merge(opts, each)
        return pulumi.ResourceTransformationResult(seen.props, opts)

    if ids:
        pulumi.log.warn("server:takeOver is set: what is at AWS is taken over; take it out after this run")
    return pulumi.ResourceOptions(transformations=[change])


@dataclass(frozen=True)
class _Refusal:
    wanted: Wanted
    there: AtAws

    def ask(self, about: pulumi.ResourceHookArgs) -> None:
        # A server that may be replaced is gone, or its network is beside the old one.
        if self.wanted.replaced or self.wanted.settings.take_over:
            return
        server = _asked(self.there.server)
        found = server or (_asked(self.there.network) if about.type == NETWORK else None)
        if found is None:
            return
        stack = self.wanted.found.names.stack
        what = f"server {server}" if server else f"network {found}"
        raise pulumi.RunError(
            f"{about.name} would be made, and {what} of stack {stack} is at AWS already: its state was lost. Bring it "
            f"back, or take over what is there: `./pulumiw config set --stack {stack} server:takeOver true`, `./vpb up "
            f"--stack {stack}`, and take the setting out again"
        )


def _asked(ask: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return ask()
    except CannotTakeOver as error:
        raise pulumi.RunError(str(error)) from None
    except (BotoCoreError, ClientError) as error:
        said = " ".join(str(error).split())
        raise pulumi.RunError(f"AWS can't be asked what is there of the server: {said}") from None

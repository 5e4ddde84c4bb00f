"""The private network of a server: no way in from outside, none out, and sessions only from whom a group names."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import ec2, vpc

from components.base import Component
from declared.awsnames import AwsNames

POSTGRES, HTTPS = 5432, 443
# What the health's function needs of AWS.
OF_THE_MONITOR = ("monitoring", "secretsmanager")


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    names: AwsNames
    region: str
    addresses: str
    zones: Sequence[str]
    """The availability zones by their letters."""
    interface_endpoints: Sequence[str] = ()
    """The services of AWS that are reached from within."""
    proxy: bool = False
    """Whether there is a proxy between clients and server."""
    monitor: bool = False
    """Whether a function within asks for the database's health."""


class Network(Component):
    """A network with a private subnet in each zone, and two groups: the server's, and that of who may connect to it."""

    subnets: Sequence[pulumi.Output[str]]
    zones: Sequence[str]
    """The availability zones of the subnets."""
    server_group: pulumi.Output[str]
    proxy_group: pulumi.Output[str]
    """Where there is a proxy."""
    monitor_group: pulumi.Output[str]
    """Where a function asks for the database's health."""
    exports: Mapping[str, Any]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"addresses": args.addresses, "zones": list(args.zones)}, opts)
        self._name, self._names = name, args.names
        self._vpc = ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.addresses,
            # An endpoint's name leads to its address in here.
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._tags("network"),
            opts=self.child(),
        )
        self.zones = [f"{args.region}{zone}" for zone in args.zones]
        subnets = [self._subnet(zone, block) for zone, block in zip(self.zones, _blocks(args.addresses), strict=False)]
        self.subnets = [subnet.id for subnet in subnets]
        clients = self._group("clients", "Who may connect to the database")
        server = self._group("database", "The database")
        self._let("database", server, clients, POSTGRES)
        if args.proxy:
            proxy = self._group("proxy", "The proxy before the database")
            self._let("proxy", proxy, clients, POSTGRES)
            self._let("database", server, proxy, POSTGRES, "-from-proxy")
            self.proxy_group = proxy.id
        self._gateway(args.region, subnets, clients)
        monitor = self._monitor(server) if args.monitor else None
        self._interfaces(args, clients, monitor)
        self.server_group = server.id
        self.exports = {"vpc": self._vpc.id, "subnets": self.subnets, "client_security_group": clients.id}
        self.register_outputs(dict(self.exports))

    def _tags(self, what: str) -> dict[str, str]:
        return {"Name": self._names.of(what)}

    def _subnet(self, zone: str, block: str) -> ec2.Subnet:
        return ec2.Subnet(
            f"{self._name}-subnet-{zone[-1]}",
            vpc_id=self._vpc.id,
            availability_zone=zone,
            cidr_block=block,
            map_public_ip_on_launch=False,
            tags=self._tags(f"private-{zone[-1]}"),
            opts=self.child(),
        )

    def _group(self, use: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            f"{self._name}-group-{use}",
            name=self._names.of(use),
            description=description,
            vpc_id=self._vpc.id,
            tags=self._tags(use),
            opts=self.child(),
        )

    def _let(
        self, use: str, server: ec2.SecurityGroup, clients: ec2.SecurityGroup, port: int, suffix: str = ""
    ) -> None:
        """Sessions from the members of a group to those of another, both ends of the rule by reference."""
        between = {"ip_protocol": "tcp", "from_port": port, "to_port": port}
        vpc.SecurityGroupIngressRule(
            f"{self._name}-into-{use}{suffix}",
            security_group_id=server.id,
            referenced_security_group_id=clients.id,
            **between,
            opts=self.child(),
        )
        vpc.SecurityGroupEgressRule(
            f"{self._name}-to-{use}{suffix}",
            security_group_id=clients.id,
            referenced_security_group_id=server.id,
            **between,
            opts=self.child(),
        )

    def _monitor(self, server: ec2.SecurityGroup) -> ec2.SecurityGroup:
        group = self._group("monitor", "What asks for the health of the database")
        self._let("database", server, group, POSTGRES, "-from-monitor")
        self.monitor_group = group.id
        return group

    def _gateway(self, region: str, subnets: Sequence[ec2.Subnet], clients: ec2.SecurityGroup) -> None:
        """The way to S3, which costs nothing, and is the only route out of the subnets."""
        routes = ec2.RouteTable(
            f"{self._name}-routes", vpc_id=self._vpc.id, tags=self._tags("private"), opts=self.child()
        )
        for subnet in subnets:
            ec2.RouteTableAssociation(
                f"{subnet._name}-routes", subnet_id=subnet.id, route_table_id=routes.id, opts=self.child()
            )
        gateway = ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[routes.id],
            tags=self._tags("s3"),
            opts=self.child(),
        )
        vpc.SecurityGroupEgressRule(
            f"{self._name}-to-s3",
            security_group_id=clients.id,
            prefix_list_id=gateway.prefix_list_id,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            opts=self.child(),
        )

    def _interfaces(self, args: NetworkArgs, clients: ec2.SecurityGroup, monitor: ec2.SecurityGroup | None) -> None:
        # In one zone for the monitor alone, since each costs by the zone: without them its numbers are missing.
        own = [] if monitor is None else [each for each in OF_THE_MONITOR if each not in args.interface_endpoints]
        where = dict.fromkeys(args.interface_endpoints, self.subnets) | dict.fromkeys(own, self.subnets[:1])
        if not where:
            return
        group = self._group("endpoints", "The services of AWS that are reached from within")
        self._let("endpoints", group, clients, HTTPS)
        if monitor is not None:
            self._let("endpoints", group, monitor, HTTPS, "-from-monitor")
        for service, subnets in where.items():
            ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=self._vpc.id,
                service_name=f"com.amazonaws.{args.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=subnets,
                security_group_ids=[group.id],
                tags=self._tags(service),
                opts=self.child(),
            )


def _blocks(addresses: str) -> list[str]:
    """A quarter of the network for each zone; the fourth is left for what is put beside the server."""
    return [str(block) for block in ipaddress.IPv4Network(addresses).subnets(prefixlen_diff=2)]

"""Rules on the network of a database server, and on the proxy before it."""

from guardrails.model import Check, Plan, Resource, Severity, is_, names, rule, shown
from guardrails.networks import wide
from guardrails.values import UNKNOWN, NotKnown, listed

PROXY, SUBNET, VPC = "aws:rds/proxy:Proxy", "aws:ec2/subnet:Subnet", "aws:ec2/vpc:Vpc"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
EITHER = "aws:ec2/securityGroupRule:SecurityGroupRule"
LISTS = ("prefixListId", "prefixListIds")
GROUP, DEFAULT = "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"


@rule(
    "proxy-tls",
    Severity.high,
    PROXY,
    "a proxy that takes sessions without TLS",
    "passwords and rows cross the network in clear text",
    "set requireTls to true",
    "AWS RDS.43",
)
def proxy_tls(resource: Resource, plan: Plan) -> Check:
    return is_(resource, True, "requireTls")


@rule(
    "network-open",
    Severity.critical,
    (INGRESS, EITHER, GROUP, DEFAULT),
    "a way into the network from everywhere, or nearly",
    "anybody on the internet may try",
    "name the security group that may come in",
    "AWS EC2.18",
    "AWS EC2.19",
)
def network_open(resource: Resource, plan: Plan) -> Check | None:
    rules = _ways(resource, "ingress")
    if not rules and resource.type == EITHER:
        return None
    found = [text for each in rules for text in _networks(each)]
    # What is on a list of prefixes isn't seen.
    lists = [str(each) for given in rules for key in LISTS for each in listed(given.get(key))]
    open_ = [*wide(found), *lists]
    return Check(not open_, f"from {names([*found, *lists]) or 'security groups alone'}")


@rule(
    "network-wide",
    Severity.critical,
    (INGRESS, EITHER),
    "ways into a security group that together are from everywhere, or nearly",
    "anybody on the internet may try",
    "name the security group that may come in",
    "AWS EC2.18",
    "AWS EC2.19",
    whole=True,
)
def network_wide(resource: Resource, plan: Plan) -> Check | None:
    if not _ways(resource, "ingress"):
        return None
    beside = [each for each in plan.of_type(INGRESS, EITHER) if _group(each) == _group(resource)]
    found = {text for each in beside for way in _ways(each, "ingress") for text in _networks(way)}
    return Check(not wide(found), f"its group is open to {names(found) or 'security groups alone'}")


@rule(
    "network-egress",
    Severity.medium,
    (EGRESS, EITHER, GROUP, DEFAULT),
    "a way out of the network to everywhere, or nearly",
    "who gets into a machine there sends what it reads anywhere",
    "name the security group or the list of prefixes that it reaches",
    "VPC manual, Security group rules",
)
def network_egress(resource: Resource, plan: Plan) -> Check | None:
    rules = _ways(resource, "egress")
    found = [text for each in rules for text in _networks(each)]
    return Check(not wide(found), f"to {names(found) or 'security groups and lists alone'}") if rules else None


def _ways(resource: Resource, direction: str) -> list[dict[str, object]]:
    """The ways in or out that a resource opens."""
    if resource.type in (INGRESS, EGRESS):
        return [dict(resource.inputs)] if (resource.type == INGRESS) == (direction == "ingress") else []
    if resource.type == EITHER:
        return [dict(resource.inputs)] if resource.get("type") == direction else []
    return [dict(each) for each in listed(resource.get(direction))]


def _group(resource: Resource) -> object:
    """The security group that a way leads into; of one that isn't there yet, the resource that makes it."""
    return resource.depends.get("securityGroupId") or resource.inputs.get("securityGroupId")


def _networks(given: dict[str, object]) -> list[str]:
    keys = ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks")
    each = [text for key in keys for text in listed(given.get(key))]
    if UNKNOWN in each:
        raise NotKnown("cidr")
    return [text for text in each if isinstance(text, str)]


@rule(
    "subnet-private",
    Severity.medium,
    SUBNET,
    "a subnet that gives each machine in it a public address",
    "what is put there is reached from the internet",
    "set mapPublicIpOnLaunch to false",
    "AWS EC2.15",
)
def subnet_private(resource: Resource, plan: Plan) -> Check:
    public = resource.get("mapPublicIpOnLaunch")
    return Check(not public, f"mapPublicIpOnLaunch is {shown(public)}")


@rule(
    "network-flow-logs",
    Severity.low,
    VPC,
    "a network without flow logs",
    "who tried to connect isn't seen afterwards",
    "add a FlowLog; here security groups by reference are the only ways in, and nothing leads out but S3",
    "AWS EC2.6",
    whole=True,
)
def network_flow_logs(resource: Resource, plan: Plan) -> Check:
    found = plan.of_type("aws:ec2/flowLog:FlowLog")
    return Check(bool(found), f"flow logs: {names(each.name for each in found) or 'none'}")


RULES = (
    proxy_tls,
    network_open,
    network_wide,
    network_egress,
    subnet_private,
    network_flow_logs,
)

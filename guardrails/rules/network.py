"""Rules on the network of a database server, and on the proxy before it."""

from guardrails.model import Check, Plan, Resource, Severity, is_, names, rule, shown
from guardrails.values import listed

PROXY, SUBNET, VPC = "aws:rds/proxy:Proxy", "aws:ec2/subnet:Subnet", "aws:ec2/vpc:Vpc"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
EVERYWHERE = {"0.0.0.0/0", "::/0"}


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
    (INGRESS, GROUP),
    "a way into the network from everywhere",
    "anybody on the internet may try",
    "name the security group that may come in",
    "AWS EC2.18",
    "AWS EC2.19",
)
def network_open(resource: Resource, plan: Plan) -> Check:
    rules = [resource.inputs] if resource.type == INGRESS else listed(resource.get("ingress"))
    found = [text for each in rules for text in _networks(dict(each))]
    return Check(not EVERYWHERE & {*found}, f"from {names(found) or 'security groups alone'}")


def _networks(given: dict[str, object]) -> list[str]:
    keys = ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks")
    return [each for key in keys for each in listed(given.get(key)) if isinstance(each, str)]


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
    subnet_private,
    network_flow_logs,
)

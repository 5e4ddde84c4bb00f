"""A private network: subnets, routes, groups with their rules, and endpoints of services."""

from typing import ClassVar

from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Field, JsonText, ListOf, SetOf, TagMap
from plugin.server import CheckFailure

_IPV6 = "there are no addresses of version 6 offline, leave it out"
_MANAGED = "there is no address manager offline, leave it out"
_OUTPOST = "there are no outposts offline, leave it out"


class _Ec2Kind(AwsKind):
    """What all of them share: their tags are written with them and changed by their id."""

    service = "ec2"
    tagged = True
    written: ClassVar[str]
    """What AWS calls the type where tags are written."""

    def _tags(self, inputs: Values) -> Values:
        tags = TagMap().to_aws(self.all_tags(inputs))
        return {"TagSpecifications": [{"ResourceType": self.written, "Tags": tags}]} if tags else {}

    def _arn(self, site: Site, owner: str, id: str) -> str:
        return f"arn:aws:ec2:{site.region}:{owner}:{self.written}/{id}"

    def _retag(self, site: Site, id: str, state: Values, new: Values) -> None:
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.delete_tags(Resources=[id], Tags=[{"Key": name} for name in removed])
        if added:
            site.client.create_tags(Resources=[id], Tags=TagMap().to_aws(added))

    def _switch(self, site: Site, id: str, inputs: Values) -> None:
        """What isn't said when it is made, and may change later."""

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        self._switch(site, id, new)
        self._retag(site, id, state, new)


def _tags_of(found: Values) -> Values:
    tags: Values = TagMap().from_aws(found.get("Tags") or [])
    return tags


class Vpc(_Ec2Kind):
    """A network."""

    token = "aws:ec2/vpc:Vpc"
    noun = "VPC"
    gone = frozenset({"InvalidVpcID.NotFound"})
    written = "vpc"
    properties: ClassVar = {
        "cidrBlock": Field(computed=True, immutable=True),
        "enableDnsHostnames": Field(shape=FLAG, computed=True),
        "enableDnsSupport": Field(shape=FLAG, default=True),
        "instanceTenancy": Field(default="default", immutable=True),
    }
    outputs: ClassVar = dict.fromkeys(
        ("arn", "defaultNetworkAclId", "defaultRouteTableId", "defaultSecurityGroupId", "dhcpOptionsId",
         "mainRouteTableId", "ownerId"), TEXT
    )  # fmt: skip
    refused: ClassVar = {
        "assignGeneratedIpv6CidrBlock": _IPV6,
        "enableNetworkAddressUsageMetrics": "moto doesn't keep it, leave it out",
        "ipv4IpamPoolId": _MANAGED,
        "ipv4NetmaskLength": _MANAGED,
        "ipv6CidrBlock": _IPV6,
        "ipv6CidrBlockNetworkBorderGroup": _IPV6,
        "ipv6IpamPoolId": _IPV6,
        "ipv6NetmaskLength": _IPV6,
    }
    withheld = frozenset({"ipv6AssociationId"})
    _switches: ClassVar = {"enableDnsHostnames": "EnableDnsHostnames", "enableDnsSupport": "EnableDnsSupport"}

    def faults(self, inputs: Values) -> list[CheckFailure]:
        return [] if inputs.get("cidrBlock") else [CheckFailure("cidrBlock", "is required offline")]

    def make(self, site: Site, inputs: Values) -> str:
        made = site.client.create_vpc(
            CidrBlock=inputs["cidrBlock"], InstanceTenancy=inputs["instanceTenancy"], **self._tags(inputs)
        )
        id: str = made["Vpc"]["VpcId"]
        self._switch(site, id, inputs)
        return id

    def _switch(self, site: Site, id: str, inputs: Values) -> None:
        for name, attribute in self._switches.items():
            if inputs.get(name) is not None:
                site.client.modify_vpc_attribute(VpcId=id, **{attribute: {"Value": inputs[name]}})

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_vpcs(VpcIds=[id])["Vpcs"]
        in_it = [{"Name": "vpc-id", "Values": [id]}]
        switches = {
            name: site.client.describe_vpc_attribute(VpcId=id, Attribute=name)[attribute]["Value"]
            for name, attribute in self._switches.items()
        }
        main = site.client.describe_route_tables(Filters=[*in_it, {"Name": "association.main", "Values": ["true"]}])
        groups = site.client.describe_security_groups(Filters=[*in_it, {"Name": "group-name", "Values": ["default"]}])
        lists = site.client.describe_network_acls(Filters=[*in_it, {"Name": "default", "Values": ["true"]}])
        table = main["RouteTables"][0]["RouteTableId"]
        return {
            **switches,
            "arn": self._arn(site, found["OwnerId"], id),
            "cidrBlock": found["CidrBlock"],
            "defaultNetworkAclId": lists["NetworkAcls"][0]["NetworkAclId"],
            "defaultRouteTableId": table,
            "defaultSecurityGroupId": groups["SecurityGroups"][0]["GroupId"],
            "dhcpOptionsId": found["DhcpOptionsId"],
            "instanceTenancy": found["InstanceTenancy"],
            "mainRouteTableId": table,
            "ownerId": found["OwnerId"],
            "tagsAll": _tags_of(found),
        }

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_vpc(VpcId=id)


class Subnet(_Ec2Kind):
    """A part of a network in one zone."""

    token = "aws:ec2/subnet:Subnet"
    noun = "subnet"
    gone = frozenset({"InvalidSubnetID.NotFound"})
    written = "subnet"
    properties: ClassVar = {
        "availabilityZone": Field(computed=True, immutable=True),
        "cidrBlock": Field(computed=True, immutable=True),
        "mapPublicIpOnLaunch": Field(shape=FLAG),
        "vpcId": Field(required=True, immutable=True),
    }
    outputs: ClassVar = {"arn": TEXT, "ownerId": TEXT}
    refused: ClassVar = {
        **dict.fromkeys(
            ("assignIpv6AddressOnCreation", "enableDns64", "enableResourceNameDnsAaaaRecordOnLaunch", "ipv6CidrBlock",
             "ipv6IpamPoolId", "ipv6Native", "ipv6NetmaskLength"), _IPV6
        ),
        **dict.fromkeys(("customerOwnedIpv4Pool", "mapCustomerOwnedIpOnLaunch", "outpostArn"), _OUTPOST),
        **dict.fromkeys(("ipv4IpamPoolId", "ipv4NetmaskLength"), _MANAGED),
        "availabilityZoneId": "use availabilityZone instead",
        "enableLniAtDeviceIndex": _OUTPOST,
        "enableResourceNameDnsARecordOnLaunch": "moto doesn't keep it, leave it out",
        "privateDnsHostnameTypeOnLaunch": "moto doesn't keep it, leave it out",
    }  # fmt: skip
    withheld = frozenset({"ipv6CidrBlockAssociationId"})

    def make(self, site: Site, inputs: Values) -> str:
        zone = {"AvailabilityZone": inputs["availabilityZone"]} if inputs.get("availabilityZone") else {}
        made = site.client.create_subnet(
            VpcId=inputs["vpcId"], CidrBlock=inputs["cidrBlock"], **zone, **self._tags(inputs)
        )
        id: str = made["Subnet"]["SubnetId"]
        self._switch(site, id, inputs)
        return id

    def _switch(self, site: Site, id: str, inputs: Values) -> None:
        public = {"Value": bool(inputs.get("mapPublicIpOnLaunch"))}
        site.client.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch=public)

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_subnets(SubnetIds=[id])["Subnets"]
        return {
            "arn": found["SubnetArn"],
            "availabilityZone": found["AvailabilityZone"],
            "cidrBlock": found["CidrBlock"],
            "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
            "ownerId": found["OwnerId"],
            "tagsAll": _tags_of(found),
            "vpcId": found["VpcId"],
        }

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_subnet(SubnetId=id)


class RouteTable(_Ec2Kind):
    """Where a subnet's packets go; without routes of its own, nowhere but within the network."""

    token = "aws:ec2/routeTable:RouteTable"
    noun = "route table"
    gone = frozenset({"InvalidRouteTableID.NotFound", "InvalidRouteTableId.NotFound"})
    written = "route-table"
    properties: ClassVar = {"vpcId": Field(required=True, immutable=True)}
    outputs: ClassVar = {"arn": TEXT, "ownerId": TEXT}
    refused: ClassVar = {
        "propagatingVgws": "there are no gateways of private networks offline, leave it out",
        "routes": "no way out is declared here, leave it out",
    }

    def make(self, site: Site, inputs: Values) -> str:
        made = site.client.create_route_table(VpcId=inputs["vpcId"], **self._tags(inputs))
        return str(made["RouteTable"]["RouteTableId"])

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_route_tables(RouteTableIds=[id])["RouteTables"]
        return {
            "arn": self._arn(site, found["OwnerId"], id),
            "ownerId": found["OwnerId"],
            "tagsAll": _tags_of(found),
            "vpcId": found["VpcId"],
        }

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_route_table(RouteTableId=id)


class RouteTableAssociation(AwsKind):
    """Which table a subnet goes by."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    service = "ec2"
    noun = "route table of subnet"
    gone = frozenset({"InvalidAssociationID.NotFound"})
    properties: ClassVar = {
        # AWS changes it, but under another id.
        "routeTableId": Field(required=True, immutable=True),
        "subnetId": Field(immutable=True),
    }
    refused: ClassVar = {"gatewayId": "use subnetId instead"}

    def make(self, site: Site, inputs: Values) -> str:
        made = site.client.associate_route_table(RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"])
        return str(made["AssociationId"])

    def find(self, site: Site, id: str) -> Values | None:
        # An import names subnet and table, as with the official plugin.
        subnet, _, _ = id.partition("/")
        wanted = "RouteTableAssociationId" if id.startswith("rtbassoc-") else "SubnetId"
        for table in site.client.describe_route_tables()["RouteTables"]:
            for each in table["Associations"]:
                if each.get(wanted) == subnet:
                    return {"routeTableId": table["RouteTableId"], "subnetId": each.get("SubnetId")}
        return None

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        """Nothing of it can be changed."""

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.disassociate_route_table(AssociationId=id)


class SecurityGroup(_Ec2Kind):
    """A group whose rules are resources of their own."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    noun = "security group"
    gone = frozenset({"InvalidGroup.NotFound", "InvalidGroupId.Malformed"})
    written = "security-group"
    auto_name = AutoName("name", "namePrefix", limit=255)
    properties: ClassVar = {
        "description": Field(default="Managed by Pulumi", immutable=True),
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
        "revokeRulesOnDelete": Field(shape=FLAG, local=True),
        "vpcId": Field(computed=True, immutable=True),
    }
    outputs: ClassVar = {"arn": TEXT, "ownerId": TEXT}
    refused: ClassVar = {
        "egress": "use aws.vpc.SecurityGroupEgressRule instead",
        "ingress": "use aws.vpc.SecurityGroupIngressRule instead",
    }

    def make(self, site: Site, inputs: Values) -> str:
        network = {"VpcId": inputs["vpcId"]} if inputs.get("vpcId") else {}
        made = site.client.create_security_group(
            GroupName=AutoName("name", "namePrefix").given(inputs),
            Description=inputs["description"],
            **network,
            **self._tags(inputs),
        )
        id: str = made["GroupId"]
        # AWS lets everything out of a new group; the official plugin takes that away.
        (found,) = site.client.describe_security_groups(GroupIds=[id])["SecurityGroups"]
        if found["IpPermissionsEgress"]:
            site.client.revoke_security_group_egress(GroupId=id, IpPermissions=found["IpPermissionsEgress"])
        return id

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_security_groups(GroupIds=[id])["SecurityGroups"]
        return {
            "arn": self._arn(site, found["OwnerId"], id),
            "description": found["Description"],
            "name": found["GroupName"],
            "ownerId": found["OwnerId"],
            "tagsAll": _tags_of(found),
            "vpcId": found["VpcId"],
        }

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_security_group(GroupId=id)


class _SecurityGroupRule(_Ec2Kind):
    """One way in or out of the members of a group."""

    gone = frozenset({"InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound", "InvalidPermission.NotFound"})
    written = "security-group-rule"
    egress: ClassVar[bool]
    properties: ClassVar = {
        "cidrIpv4": Field(),
        "description": Field(),
        "fromPort": Field(shape=NUMBER),
        "ipProtocol": Field(required=True),
        "prefixListId": Field(),
        "referencedSecurityGroupId": Field(),
        "securityGroupId": Field(required=True, immutable=True),
        "toPort": Field(shape=NUMBER),
    }
    outputs: ClassVar = {"arn": TEXT, "securityGroupRuleId": TEXT}
    refused: ClassVar = {"cidrIpv6": _IPV6}

    def make(self, site: Site, inputs: Values) -> str:
        call = "authorize_security_group_egress" if self.egress else "authorize_security_group_ingress"
        made = getattr(site.client, call)(
            GroupId=inputs["securityGroupId"], IpPermissions=[_permission(inputs)], **self._tags(inputs)
        )
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def find(self, site: Site, id: str) -> Values | None:
        rules = site.client.describe_security_group_rules(SecurityGroupRuleIds=[id])["SecurityGroupRules"]
        found = next((rule for rule in rules if rule["IsEgress"] is self.egress), None)
        if found is None:
            return None
        (group,) = site.client.describe_security_groups(GroupIds=[found["GroupId"]])["SecurityGroups"]
        return {
            "arn": self._arn(site, group["OwnerId"], id),
            "cidrIpv4": found.get("CidrIpv4"),
            "description": found.get("Description"),
            "fromPort": found.get("FromPort"),
            "ipProtocol": found["IpProtocol"],
            "prefixListId": found.get("PrefixListId"),
            "referencedSecurityGroupId": found.get("ReferencedGroupInfo", {}).get("GroupId"),
            "securityGroupId": found["GroupId"],
            "securityGroupRuleId": id,
            "tagsAll": _tags_of(found),
            "toPort": found.get("ToPort"),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        rule = {
            "IpProtocol": new["ipProtocol"],
            "FromPort": new.get("fromPort"),
            "ToPort": new.get("toPort"),
            "CidrIpv4": new.get("cidrIpv4"),
            "PrefixListId": new.get("prefixListId"),
            "ReferencedGroupId": new.get("referencedSecurityGroupId"),
            "Description": new.get("description"),
        }
        given = {name: value for name, value in rule.items() if value is not None}
        site.client.modify_security_group_rules(
            GroupId=new["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": id, "SecurityGroupRule": given}],
        )
        self._retag(site, id, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        call = "revoke_security_group_egress" if self.egress else "revoke_security_group_ingress"
        getattr(site.client, call)(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[id])


def _permission(inputs: Values) -> Values:
    permission: Values = {"IpProtocol": inputs["ipProtocol"]}
    if inputs.get("fromPort") is not None:
        permission |= {"FromPort": inputs["fromPort"], "ToPort": inputs["toPort"]}
    described = {"Description": inputs["description"]} if inputs.get("description") else {}
    if inputs.get("cidrIpv4"):
        permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **described}]
    if inputs.get("prefixListId"):
        permission["PrefixListIds"] = [{"PrefixListId": inputs["prefixListId"], **described}]
    if inputs.get("referencedSecurityGroupId"):
        permission["UserIdGroupPairs"] = [{"GroupId": inputs["referencedSecurityGroupId"], **described}]
    return permission


class SecurityGroupIngressRule(_SecurityGroupRule):
    """A way in."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    noun = "rule of security group (in)"
    egress = False


class SecurityGroupEgressRule(_SecurityGroupRule):
    """A way out."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    noun = "rule of security group (out)"
    egress = True


class VpcEndpoint(_Ec2Kind):
    """A way to a service of AWS that doesn't leave the network."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    noun = "VPC endpoint"
    gone = frozenset({"InvalidVpcEndpointId.NotFound"})
    written = "vpc-endpoint"
    properties: ClassVar = {
        "policy": Field(shape=JsonText(), computed=True),
        "privateDnsEnabled": Field(shape=FLAG, computed=True),
        "routeTableIds": Field(shape=SetOf(TEXT), computed=True),
        "securityGroupIds": Field(shape=SetOf(TEXT), computed=True),
        "serviceName": Field(computed=True, immutable=True),
        "subnetIds": Field(shape=SetOf(TEXT), computed=True),
        "vpcEndpointType": Field(default="Gateway", immutable=True),
        "vpcId": Field(required=True, immutable=True),
    }
    outputs: ClassVar = {
        "arn": TEXT,
        "cidrBlocks": ListOf(TEXT),
        "networkInterfaceIds": SetOf(TEXT),
        "ownerId": TEXT,
        "prefixListId": TEXT,
        "requesterManaged": FLAG,
        "state": TEXT,
    }
    refused: ClassVar = {
        "autoAccept": "moto accepts nothing, leave it out",
        "dnsOptions": "moto doesn't keep it, leave it out",
        "ipAddressType": "moto doesn't keep it, leave it out",
        **dict.fromkeys(
            ("resourceConfigurationArn", "serviceNetworkArn", "serviceRegion", "subnetConfigurations"),
            "moto knows services of the region alone, leave it out",
        ),
    }
    withheld = frozenset({"dnsEntries"})

    def make(self, site: Site, inputs: Values) -> str:
        optional = {
            "PolicyDocument": "policy",
            "PrivateDnsEnabled": "privateDnsEnabled",
            "RouteTableIds": "routeTableIds",
            "SecurityGroupIds": "securityGroupIds",
            "SubnetIds": "subnetIds",
        }
        made = site.client.create_vpc_endpoint(
            VpcId=inputs["vpcId"],
            ServiceName=inputs["serviceName"],
            VpcEndpointType=inputs["vpcEndpointType"],
            **{argument: inputs[name] for argument, name in optional.items() if inputs.get(name) is not None},
            **self._tags(inputs),
        )
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"]
        if found["State"].lower() in ("deleted", "deleting"):
            return None
        gateway = found["VpcEndpointType"] == "Gateway"
        lists = site.client.describe_prefix_lists()["PrefixLists"] if gateway else []
        prefixes = {each["PrefixListName"]: each["PrefixListId"] for each in lists}
        return {
            "arn": self._arn(site, found["OwnerId"], id),
            "cidrBlocks": [],
            "networkInterfaceIds": found.get("NetworkInterfaceIds") or [],
            "ownerId": found["OwnerId"],
            "policy": found.get("PolicyDocument"),
            "prefixListId": prefixes.get(found["ServiceName"], ""),
            # moto says so of gateways too, which have no names.
            "privateDnsEnabled": found["PrivateDnsEnabled"] and not gateway,
            "requesterManaged": bool(found.get("RequesterManaged")),
            "routeTableIds": found.get("RouteTableIds") or [],
            "securityGroupIds": [group["GroupId"] for group in found.get("Groups") or []],
            "serviceName": found["ServiceName"],
            "state": found["State"],
            "subnetIds": found.get("SubnetIds") or [],
            "tagsAll": _tags_of(found),
            "vpcEndpointType": found["VpcEndpointType"],
            "vpcId": found["VpcId"],
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        lists = {"RouteTableIds": "routeTableIds", "SubnetIds": "subnetIds", "SecurityGroupIds": "securityGroupIds"}
        changes: Values = {}
        for argument, name in lists.items():
            before, after = set(state.get(name) or []), set(new.get(name) or state.get(name) or [])
            if after - before:
                changes[f"Add{argument}"] = sorted(after - before)
            if before - after:
                changes[f"Remove{argument}"] = sorted(before - after)
        if new.get("policy") is not None:
            changes["PolicyDocument"] = new["policy"]
        if new.get("privateDnsEnabled") is not None and new["vpcEndpointType"] != "Gateway":
            changes["PrivateDnsEnabled"] = new["privateDnsEnabled"]
        if changes:
            site.client.modify_vpc_endpoint(VpcEndpointId=id, **changes)
        self._retag(site, id, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        # One that was deleted is there for a while.
        if self.find(site, id) is not None:
            site.client.delete_vpc_endpoints(VpcEndpointIds=[id])


KINDS: tuple[type[AwsKind], ...] = (
    Vpc,
    Subnet,
    RouteTable,
    RouteTableAssociation,
    SecurityGroup,
    SecurityGroupIngressRule,
    SecurityGroupEgressRule,
    VpcEndpoint,
)

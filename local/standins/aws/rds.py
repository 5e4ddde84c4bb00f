"""Database servers, with the groups of subnets and parameters that they are in."""

import time
from typing import Any, ClassVar

from local.standins.aws.kms import KeyReference
from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Block, Field, ListOf, Scalar, SetOf, Shape, TagMap
from plugin.server import CheckFailure, PluginError

READY_SECONDS = 30
ELSEWHERE = "there is no other engine, directory, machine or copy of it offline, leave it out"
OWN_PASSWORD = "use manageMasterUserPassword instead"
NOT_KEPT = "moto doesn't keep it, leave it out"


class Version(Scalar):
    """A version of the engine: AWS answers with the whole one where the major one was given."""

    def equal(self, old: Any, new: Any) -> bool:
        return bool(old == new or old.startswith(f"{new}."))


class RdsKind(AwsKind):
    """What all of them share: their tags hang on their ARN."""

    service = "rds"
    tagged = True

    def _tags(self, site: Site, arn: str) -> Values:
        tags: Values = TagMap().from_aws(site.client.list_tags_for_resource(ResourceName=arn)["TagList"])
        return tags

    def _retag(self, site: Site, state: Values, new: Values) -> None:
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.remove_tags_from_resource(ResourceName=state["arn"], TagKeys=removed)
        if added:
            site.client.add_tags_to_resource(ResourceName=state["arn"], Tags=TagMap().to_aws(added))

    def _changed(self, state: Values, new: Values) -> Values:
        """What differs of the properties, as the call that changes the resource takes it."""
        fields = {
            name: item
            for name, item in self.properties.items()
            if new.get(name) is not None and not item.shape.same(state.get(name), new[name])
        }
        wanted: Values = Block(fields).to_aws({name: new[name] for name in fields})
        return wanted

    def _changed_of_server(self, state: Values, new: Values) -> Values:
        """The same of a server or a cluster, whose logs AWS takes as those to begin and those to end."""
        changes = self._changed(state, new)
        logs = changes.pop("EnableCloudwatchLogsExports", None)
        before, after = (set(each.get("enabledCloudwatchLogsExports") or []) for each in (state, new))
        if logs is not None or before - after:
            changes["CloudwatchLogsExportConfiguration"] = {
                "EnableLogTypes": sorted(after - before),
                "DisableLogTypes": sorted(before - after),
            }
        if new.get("allowMajorVersionUpgrade"):
            changes["AllowMajorVersionUpgrade"] = True
        return changes

    def _last_snapshot(self, id: str, state: Values) -> Values:
        """What the call that deletes a server is given of its last snapshot and its backups.

        :raises PluginError: where nothing says whether there is to be one
        """
        skip = bool(state.get("skipFinalSnapshot"))
        if not skip and not state.get("finalSnapshotIdentifier"):
            raise PluginError(
                f"{self.subject(id)}: finalSnapshotIdentifier is required where skipFinalSnapshot isn't set; set one "
                "of them and run `up` before the destroy"
            )
        last = {} if skip else {"FinalDBSnapshotIdentifier": state["finalSnapshotIdentifier"]}
        backups = bool(state.get("deleteAutomatedBackups"))
        return {"SkipFinalSnapshot": skip, "DeleteAutomatedBackups": backups, **last}

    def _await_ready(self, site: Site, id: str) -> None:
        """Until a server is there, and its secret too, where AWS keeps one."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            (found,) = site.client.describe_db_instances(DBInstanceIdentifier=id)["DBInstances"]
            secret = found.get("MasterUserSecret", {}).get("SecretStatus", "active")
            if (found["DBInstanceStatus"], secret) == ("available", "active"):
                return
            time.sleep(0.2)
        raise PluginError(f"{self.subject(id)}: isn't available after {READY_SECONDS} s; run it again")


class SubnetGroup(RdsKind):
    """The subnets that a server may be in."""

    token = "aws:rds/subnetGroup:SubnetGroup"
    noun = "subnet group"
    gone = frozenset({"DBSubnetGroupNotFoundFault"})
    auto_name = AutoName("name", "namePrefix", limit=255, lower=True)
    properties: ClassVar = {
        "description": Field(default="Managed by Pulumi"),
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
        "subnetIds": Field(shape=SetOf(TEXT), required=True),
    }
    outputs: ClassVar = {"arn": TEXT, "supportedNetworkTypes": SetOf(TEXT), "vpcId": TEXT}

    def make(self, site: Site, inputs: Values) -> str:
        name = AutoName("name", "namePrefix").given(inputs)
        site.client.create_db_subnet_group(
            DBSubnetGroupName=name,
            DBSubnetGroupDescription=inputs["description"],
            SubnetIds=inputs["subnetIds"],
            Tags=TagMap().to_aws(self.all_tags(inputs)),
        )
        return name

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_db_subnet_groups(DBSubnetGroupName=id)["DBSubnetGroups"]
        return {
            "arn": found["DBSubnetGroupArn"],
            "description": found["DBSubnetGroupDescription"],
            "name": id,
            "subnetIds": [subnet["SubnetIdentifier"] for subnet in found["Subnets"]],
            "supportedNetworkTypes": found.get("SupportedNetworkTypes") or ["IPV4"],
            "tagsAll": self._tags(site, found["DBSubnetGroupArn"]),
            "vpcId": found["VpcId"],
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        site.client.modify_db_subnet_group(
            DBSubnetGroupName=id, DBSubnetGroupDescription=new["description"], SubnetIds=new["subnetIds"]
        )
        self._retag(site, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_db_subnet_group(DBSubnetGroupName=id)


class ParameterGroup(RdsKind):
    """The parameters that a server goes by."""

    token = "aws:rds/parameterGroup:ParameterGroup"
    noun = "parameter group"
    gone = frozenset({"DBParameterGroupNotFound"})
    auto_name = AutoName("name", "namePrefix", limit=255, lower=True)
    of: ClassVar = "DB"
    """What AWS' calls name whose parameters they are by."""
    _parameter = Block(
        {
            "applyMethod": Field(default="immediate", computed=True),
            "name": Field(required=True, aws="ParameterName"),
            "value": Field(required=True, aws="ParameterValue"),
        }
    )
    properties: ClassVar = {
        "description": Field(default="Managed by Pulumi", immutable=True),
        "family": Field(required=True, immutable=True),
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
        "parameters": Field(shape=SetOf(_parameter, key="name")),
        "skipDestroy": Field(shape=FLAG, local=True),
    }
    outputs: ClassVar = {"arn": TEXT}

    def _ask(self, site: Site, call: str, name: str, **arguments: Any) -> Values:
        of = {"DB": "db", "DBCluster": "db_cluster"}[self.of]
        method = getattr(site.client, call.replace("parameter", f"{of}_parameter"))
        answer: Values = method(**{f"{self.of}ParameterGroupName": name}, **arguments)
        return answer

    def make(self, site: Site, inputs: Values) -> str:
        name = AutoName("name", "namePrefix").given(inputs)
        self._ask(
            site,
            "create_parameter_group",
            name,
            DBParameterGroupFamily=inputs["family"],
            Description=inputs["description"],
            Tags=TagMap().to_aws(self.all_tags(inputs)),
        )
        self._set(site, name, inputs.get("parameters") or [])
        return name

    def _set(self, site: Site, name: str, parameters: list[Values]) -> None:
        # AWS takes twenty in a call.
        for start in range(0, len(parameters), 20):
            some = [
                {"ApplyMethod": "immediate", **self._parameter.to_aws(each)} for each in parameters[start : start + 20]
            ]
            self._ask(site, "modify_parameter_group", name, Parameters=some)

    def find(self, site: Site, id: str) -> Values | None:
        groups = self._ask(site, "describe_parameter_groups", id)[f"{self.of}ParameterGroups"]
        if not groups:
            # moto's answer for one that isn't there.
            return None
        parameters = self._ask(site, "describe_parameters", id, Source="user")["Parameters"]
        arn = groups[0][f"{self.of}ParameterGroupArn"]
        return {
            "arn": arn,
            "description": groups[0]["Description"],
            "family": groups[0]["DBParameterGroupFamily"],
            "name": id,
            "parameters": [self._parameter.from_aws(each) for each in parameters],
            "tagsAll": self._tags(site, arn),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        wanted = {each["name"]: each for each in new.get("parameters") or []}
        known = {each["name"]: each for each in state.get("parameters") or []}
        gone = [
            {"ParameterName": name, "ApplyMethod": each.get("applyMethod") or "immediate"}
            for name, each in known.items()
            if name not in wanted
        ]
        if gone:
            self._ask(site, "reset_parameter_group", id, Parameters=gone)
        self._set(site, id, [each for name, each in wanted.items() if each != known.get(name)])
        self._retag(site, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        if not state.get("skipDestroy"):
            self._ask(site, "delete_parameter_group", id)


class ClusterParameterGroup(ParameterGroup):
    """The parameters that all servers of a cluster go by."""

    token = "aws:rds/clusterParameterGroup:ClusterParameterGroup"
    gone = frozenset({"DBParameterGroupNotFound", "DBClusterParameterGroupNotFound"})
    of = "DBCluster"
    properties: ClassVar = {name: each for name, each in ParameterGroup.properties.items() if name != "skipDestroy"}


class Instance(RdsKind):
    """A server."""

    token = "aws:rds/instance:Instance"
    noun = "database server"
    gone = frozenset({"DBInstanceNotFound", "DBInstanceNotFoundFault"})
    auto_name = AutoName("identifier", "identifierPrefix", limit=63, lower=True)
    properties: ClassVar = {
        "allocatedStorage": Field(shape=NUMBER, computed=True),
        "allowMajorVersionUpgrade": Field(shape=FLAG, local=True),
        "applyImmediately": Field(shape=FLAG, local=True),
        "autoMinorVersionUpgrade": Field(shape=FLAG, default=True),
        "backupRetentionPeriod": Field(shape=NUMBER, computed=True),
        "backupWindow": Field(computed=True, aws="PreferredBackupWindow"),
        "caCertIdentifier": Field(computed=True, aws="CACertificateIdentifier"),
        "copyTagsToSnapshot": Field(shape=FLAG),
        "dbName": Field(computed=True, immutable=True, aws="DBName"),
        "dbSubnetGroupName": Field(computed=True, aws="DBSubnetGroupName"),
        "deleteAutomatedBackups": Field(shape=FLAG, local=True, default=True),
        "deletionProtection": Field(shape=FLAG),
        "enabledCloudwatchLogsExports": Field(shape=SetOf(TEXT), aws="EnableCloudwatchLogsExports"),
        "engine": Field(computed=True, immutable=True),
        "engineVersion": Field(shape=Version(), computed=True),
        "finalSnapshotIdentifier": Field(local=True),
        "iamDatabaseAuthenticationEnabled": Field(shape=FLAG, aws="EnableIAMDatabaseAuthentication"),
        "identifier": Field(computed=True, immutable=True, aws="DBInstanceIdentifier"),
        "identifierPrefix": Field(computed=True, immutable=True, unreported=True),
        "instanceClass": Field(required=True, aws="DBInstanceClass"),
        "kmsKeyId": Field(computed=True, immutable=True),
        "maintenanceWindow": Field(computed=True, aws="PreferredMaintenanceWindow"),
        "manageMasterUserPassword": Field(shape=FLAG),
        "masterUserSecretKmsKeyId": Field(shape=KeyReference(), computed=True),
        "maxAllocatedStorage": Field(shape=NUMBER),
        "monitoringInterval": Field(shape=NUMBER),
        "monitoringRoleArn": Field(computed=True),
        "multiAz": Field(shape=FLAG, computed=True, aws="MultiAZ"),
        "parameterGroupName": Field(computed=True, aws="DBParameterGroupName"),
        "performanceInsightsEnabled": Field(shape=FLAG, aws="EnablePerformanceInsights"),
        "performanceInsightsKmsKeyId": Field(computed=True, aws="PerformanceInsightsKMSKeyId"),
        "performanceInsightsRetentionPeriod": Field(shape=NUMBER, computed=True),
        "port": Field(shape=NUMBER, computed=True),
        "publiclyAccessible": Field(shape=FLAG),
        "skipFinalSnapshot": Field(shape=FLAG, local=True),
        "storageEncrypted": Field(shape=FLAG, immutable=True),
        "storageType": Field(computed=True),
        "username": Field(computed=True, immutable=True, aws="MasterUsername"),
        "vpcSecurityGroupIds": Field(shape=SetOf(TEXT), computed=True),
    }
    _secret = Block({"kmsKeyId": Field(), "secretArn": Field(), "secretStatus": Field()})
    outputs: ClassVar[dict[str, Shape]] = {
        **dict.fromkeys(("address", "arn", "endpoint", "engineVersionActual", "resourceId", "status"), TEXT),
        "masterUserSecrets": ListOf(_secret),
        "replicas": ListOf(TEXT),
    }
    refused: ClassVar = {
        "availabilityZone": "AWS chooses it among those of the subnets, leave it out",
        **dict.fromkeys(("password", "passwordWo", "passwordWoVersion"), OWN_PASSWORD),
        **dict.fromkeys(
            ("backupTarget", "characterSetName", "customIamInstanceProfile", "customerOwnedIpEnabled", "domain",
             "domainAuthSecretArn", "domainDnsIps", "domainFqdn", "domainIamRoleName", "domainOu", "licenseModel",
             "ncharCharacterSetName", "replicaMode", "replicateSourceDb", "restoreToPointInTime", "s3Import",
             "snapshotIdentifier", "timezone"), ELSEWHERE
        ),
        **dict.fromkeys(
            ("blueGreenUpdate", "databaseInsightsMode", "dedicatedLogVolume", "engineLifecycleSupport", "iops",
             "networkType", "optionGroupName", "storageThroughput", "upgradeStorageConfig",
             "warningEventCategories"), NOT_KEPT
        ),
    }  # fmt: skip
    withheld = frozenset({"hostedZoneId", "latestRestorableTime", "listenerEndpoints", "upgradeRolloutOrder"})

    def faults(self, inputs: Values) -> list[CheckFailure]:
        missing = [name for name in ("engine", "username") if inputs.get(name) in (None, "")]
        failures = [CheckFailure(name, "is required for a new server") for name in missing]
        if not inputs.get("manageMasterUserPassword"):
            failures.append(CheckFailure("manageMasterUserPassword", "must be true: there is no other password here"))
        return failures

    def make(self, site: Site, inputs: Values) -> str:
        identifier = AutoName("identifier", "identifierPrefix").given(inputs)
        wanted = {name: value for name, value in inputs.items() if name != "identifierPrefix"}
        arguments = Block(self.properties).to_aws({**wanted, "identifier": identifier})
        site.client.create_db_instance(Tags=TagMap().to_aws(self.all_tags(inputs)), **arguments)
        self._await_ready(site, identifier)
        return identifier

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_db_instances(DBInstanceIdentifier=id)["DBInstances"]
        secret = found.get("MasterUserSecret")
        named = {
            **found,
            "DBParameterGroupName": found["DBParameterGroups"][0]["DBParameterGroupName"],
            "DBSubnetGroupName": found.get("DBSubnetGroup", {}).get("DBSubnetGroupName"),
            "EnableCloudwatchLogsExports": found.get("EnabledCloudwatchLogsExports") or [],
            "EnableIAMDatabaseAuthentication": found.get("IAMDatabaseAuthenticationEnabled"),
            "EnablePerformanceInsights": found.get("PerformanceInsightsEnabled"),
            "ManageMasterUserPassword": secret is not None,
            "MasterUserSecretKmsKeyId": (secret or {}).get("KmsKeyId"),
            "Port": found["Endpoint"]["Port"],
            "VpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in found["VpcSecurityGroups"]],
        }
        address = found["Endpoint"]["Address"]
        return {
            **Block(self.properties).from_aws(named),
            "address": address,
            "arn": found["DBInstanceArn"],
            "endpoint": f"{address}:{found['Endpoint']['Port']}",
            "engineVersionActual": found["EngineVersion"],
            "masterUserSecrets": [self._secret.from_aws(secret)] if secret else [],
            "replicas": found.get("ReadReplicaDBInstanceIdentifiers") or [],
            "resourceId": found["DbiResourceId"],
            "status": found["DBInstanceStatus"],
            "tagsAll": self._tags(site, found["DBInstanceArn"]),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        if changes := self._changed_of_server(state, new):
            site.client.modify_db_instance(
                DBInstanceIdentifier=id, ApplyImmediately=bool(new.get("applyImmediately")), **changes
            )
        self._retag(site, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_db_instance(DBInstanceIdentifier=id, **self._last_snapshot(id, state))


KINDS: tuple[type[AwsKind], ...] = (SubnetGroup, ParameterGroup, ClusterParameterGroup, Instance)

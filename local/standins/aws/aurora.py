"""Clusters of Aurora, and the servers in them."""

from typing import ClassVar

from local.standins.aws.kms import KeyReference
from local.standins.aws.rds import ELSEWHERE, NOT_KEPT, OWN_PASSWORD, RdsKind, Version
from local.standins.aws.resource import AutoName, AwsKind, Site, Values
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Block, Decimal, Field, ListOf, SetOf, Shape, TagMap
from plugin.server import CheckFailure

_CLUSTERS = "it is the cluster's, leave it out"


class Cluster(RdsKind):
    """A cluster: storage, endpoints and what all its servers share."""

    token = "aws:rds/cluster:Cluster"
    noun = "database cluster"
    gone = frozenset({"DBClusterNotFound", "DBClusterNotFoundFault"})
    auto_name = AutoName("clusterIdentifier", "clusterIdentifierPrefix", limit=63, lower=True)
    _scaling = Block(
        {"maxCapacity": Field(shape=Decimal(), required=True), "minCapacity": Field(shape=Decimal(), required=True)},
        {"secondsUntilAutoPause": "a cluster that replicates logically doesn't pause, leave it out"},
    )
    properties: ClassVar = {
        "allowMajorVersionUpgrade": Field(shape=FLAG, local=True),
        "applyImmediately": Field(shape=FLAG, local=True),
        "backupRetentionPeriod": Field(shape=NUMBER, default=1),
        "clusterIdentifier": Field(computed=True, immutable=True, aws="DBClusterIdentifier"),
        "clusterIdentifierPrefix": Field(computed=True, immutable=True, unreported=True),
        "copyTagsToSnapshot": Field(shape=FLAG),
        "databaseName": Field(computed=True, immutable=True),
        "dbClusterParameterGroupName": Field(computed=True, aws="DBClusterParameterGroupName"),
        "dbSubnetGroupName": Field(computed=True, immutable=True, aws="DBSubnetGroupName"),
        "deleteAutomatedBackups": Field(shape=FLAG, local=True, default=True),
        "deletionProtection": Field(shape=FLAG),
        "enabledCloudwatchLogsExports": Field(shape=SetOf(TEXT), aws="EnableCloudwatchLogsExports"),
        "engine": Field(required=True, immutable=True),
        "engineVersion": Field(shape=Version(), computed=True),
        "finalSnapshotIdentifier": Field(local=True),
        "kmsKeyId": Field(computed=True, immutable=True),
        "manageMasterUserPassword": Field(shape=FLAG),
        "masterUserSecretKmsKeyId": Field(shape=KeyReference(), computed=True),
        "masterUsername": Field(computed=True, immutable=True),
        "port": Field(shape=NUMBER, computed=True),
        "preferredBackupWindow": Field(computed=True),
        "preferredMaintenanceWindow": Field(computed=True),
        "serverlessv2ScalingConfiguration": Field(shape=_scaling, aws="ServerlessV2ScalingConfiguration"),
        "skipFinalSnapshot": Field(shape=FLAG, local=True),
        "storageEncrypted": Field(shape=FLAG, immutable=True),
        "vpcSecurityGroupIds": Field(shape=SetOf(TEXT), computed=True),
    }
    _secret = Block({"kmsKeyId": Field(), "secretArn": Field(), "secretStatus": Field()})
    outputs: ClassVar[dict[str, Shape]] = {
        **dict.fromkeys(("arn", "clusterResourceId", "endpoint", "engineVersionActual", "readerEndpoint"), TEXT),
        "masterUserSecrets": ListOf(_secret),
    }
    refused: ClassVar = {
        "availabilityZones": "AWS chooses them among those of the subnets, leave it out",
        "clusterMembers": "a server names its cluster, leave it out",
        **dict.fromkeys(("masterPassword", "masterPasswordWo", "masterPasswordWoVersion"), OWN_PASSWORD),
        **dict.fromkeys(
            ("allocatedStorage", "autoMinorVersionUpgrade", "backtrackWindow", "caCertificateIdentifier",
             "clusterScalabilityType", "dbClusterInstanceClass", "dbSystemId", "domain", "domainIamRoleName",
             "enableGlobalWriteForwarding", "enableLocalWriteForwarding", "engineMode", "globalClusterIdentifier",
             "iops", "publiclyAccessible", "replicationSourceIdentifier", "restoreToPointInTime", "s3Import",
             "scalingConfiguration", "snapshotIdentifier", "sourceRegion"), ELSEWHERE
        ),
        **dict.fromkeys(
            ("databaseInsightsMode", "dbInstanceParameterGroupName", "enableHttpEndpoint", "engineLifecycleSupport",
             "iamDatabaseAuthenticationEnabled", "iamRoles", "monitoringInterval", "monitoringRoleArn", "networkType",
             "performanceInsightsEnabled", "performanceInsightsKmsKeyId", "performanceInsightsRetentionPeriod",
             "storageType", "warningEventCategories"), NOT_KEPT
        ),
    }  # fmt: skip
    withheld = frozenset({"caCertificateValidTill", "hostedZoneId", "upgradeRolloutOrder"})

    def faults(self, inputs: Values) -> list[CheckFailure]:
        failures = []
        if inputs.get("masterUsername") in (None, ""):
            failures.append(CheckFailure("masterUsername", "is required for a new cluster"))
        if not inputs.get("manageMasterUserPassword"):
            failures.append(CheckFailure("manageMasterUserPassword", "must be true: there is no other password here"))
        return failures

    def make(self, site: Site, inputs: Values) -> str:
        identifier = AutoName("clusterIdentifier", "clusterIdentifierPrefix").given(inputs)
        wanted = {name: value for name, value in inputs.items() if name != "clusterIdentifierPrefix"}
        arguments = Block(self.properties).to_aws({**wanted, "clusterIdentifier": identifier})
        site.client.create_db_cluster(Tags=TagMap().to_aws(self.all_tags(inputs)), **arguments)
        # moto says of the secret of a new cluster once that it isn't there yet.
        site.client.describe_db_clusters(DBClusterIdentifier=identifier)
        return identifier

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"]
        secret = found.get("MasterUserSecret")
        named = {
            **found,
            "DBClusterParameterGroupName": found["DBClusterParameterGroup"],
            "DBSubnetGroupName": found["DBSubnetGroup"],
            "EnableCloudwatchLogsExports": found.get("EnabledCloudwatchLogsExports") or [],
            "ManageMasterUserPassword": secret is not None,
            "MasterUserSecretKmsKeyId": (secret or {}).get("KmsKeyId"),
            "VpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in found["VpcSecurityGroups"]],
        }
        return {
            **Block(self.properties).from_aws(named),
            "arn": found["DBClusterArn"],
            "clusterResourceId": found["DbClusterResourceId"],
            "endpoint": found["Endpoint"],
            "engineVersionActual": found["EngineVersion"],
            "masterUserSecrets": [self._secret.from_aws(secret)] if secret else [],
            "readerEndpoint": found["ReaderEndpoint"],
            "tagsAll": self._tags(site, found["DBClusterArn"]),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        if changes := self._changed_of_server(state, new):
            site.client.modify_db_cluster(
                DBClusterIdentifier=id, ApplyImmediately=bool(new.get("applyImmediately")), **changes
            )
        self._retag(site, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_db_cluster(DBClusterIdentifier=id, **self._last_snapshot(id, state))


class ClusterInstance(RdsKind):
    """A server in a cluster."""

    token = "aws:rds/clusterInstance:ClusterInstance"
    noun = "database server"
    gone = frozenset({"DBInstanceNotFound", "DBInstanceNotFoundFault"})
    auto_name = AutoName("identifier", "identifierPrefix", limit=63, lower=True)
    properties: ClassVar = {
        "applyImmediately": Field(shape=FLAG, local=True),
        "autoMinorVersionUpgrade": Field(shape=FLAG, default=True),
        "availabilityZone": Field(computed=True, immutable=True),
        "caCertIdentifier": Field(computed=True, aws="CACertificateIdentifier"),
        "clusterIdentifier": Field(required=True, immutable=True, aws="DBClusterIdentifier"),
        "dbSubnetGroupName": Field(computed=True, immutable=True, aws="DBSubnetGroupName"),
        "engine": Field(required=True, immutable=True),
        "forceDestroy": Field(shape=FLAG, local=True),
        "identifier": Field(computed=True, immutable=True, aws="DBInstanceIdentifier"),
        "identifierPrefix": Field(computed=True, immutable=True, unreported=True),
        "instanceClass": Field(required=True, aws="DBInstanceClass"),
        "monitoringInterval": Field(shape=NUMBER),
        "monitoringRoleArn": Field(computed=True),
        "performanceInsightsEnabled": Field(shape=FLAG, aws="EnablePerformanceInsights", computed=True),
        "performanceInsightsKmsKeyId": Field(computed=True, aws="PerformanceInsightsKMSKeyId"),
        "performanceInsightsRetentionPeriod": Field(shape=NUMBER, computed=True),
        "preferredMaintenanceWindow": Field(computed=True),
        "promotionTier": Field(shape=NUMBER, default=0),
        "publiclyAccessible": Field(shape=FLAG, computed=True),
    }
    outputs: ClassVar[dict[str, Shape]] = {
        **dict.fromkeys(("arn", "dbiResourceId", "endpoint", "engineVersionActual", "kmsKeyId"), TEXT),
        **{"port": NUMBER, "storageEncrypted": FLAG, "writer": FLAG},
    }
    refused: ClassVar = {
        **dict.fromkeys(("copyTagsToSnapshot", "engineVersion", "preferredBackupWindow"), _CLUSTERS),
        **dict.fromkeys(("customIamInstanceProfile", "dbParameterGroupName", "warningEventCategories"), NOT_KEPT),
    }
    withheld = frozenset({"networkType"})

    def make(self, site: Site, inputs: Values) -> str:
        identifier = AutoName("identifier", "identifierPrefix").given(inputs)
        wanted = {name: value for name, value in inputs.items() if name != "identifierPrefix"}
        arguments = Block(self.properties).to_aws({**wanted, "identifier": identifier})
        site.client.create_db_instance(Tags=TagMap().to_aws(self.all_tags(inputs)), **arguments)
        self._await_ready(site, identifier)
        return identifier

    def find(self, site: Site, id: str) -> Values | None:
        (found,) = site.client.describe_db_instances(DBInstanceIdentifier=id)["DBInstances"]
        (cluster,) = site.client.describe_db_clusters(DBClusterIdentifier=found["DBClusterIdentifier"])["DBClusters"]
        (member,) = [each for each in cluster["DBClusterMembers"] if each["DBInstanceIdentifier"] == id]
        named = {
            **found,
            "DBSubnetGroupName": found.get("DBSubnetGroup", {}).get("DBSubnetGroupName"),
            "EnablePerformanceInsights": found.get("PerformanceInsightsEnabled"),
            "PromotionTier": member["PromotionTier"],
        }
        return {
            **Block(self.properties).from_aws(named),
            "arn": found["DBInstanceArn"],
            "dbiResourceId": found["DbiResourceId"],
            "endpoint": found["Endpoint"]["Address"],
            "engineVersionActual": found["EngineVersion"],
            "kmsKeyId": found.get("KmsKeyId") or "",
            "port": found["Endpoint"]["Port"],
            "storageEncrypted": found["StorageEncrypted"],
            "tagsAll": self._tags(site, found["DBInstanceArn"]),
            "writer": member["IsClusterWriter"],
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        if changes := self._changed(state, new):
            site.client.modify_db_instance(
                DBInstanceIdentifier=id, ApplyImmediately=bool(new.get("applyImmediately")), **changes
            )
        self._retag(site, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        # What it has is the cluster's, and the last snapshot too.
        site.client.delete_db_instance(DBInstanceIdentifier=id, SkipFinalSnapshot=True)


KINDS: tuple[type[AwsKind], ...] = (Cluster, ClusterInstance)

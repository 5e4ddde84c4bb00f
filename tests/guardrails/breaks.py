"""For each rule the one input of the real program that breaks it, or mends it where the program doesn't keep it."""

import copy
import json
from dataclasses import dataclass, replace
from typing import Any

from guardrails.model import Plan, Resource
from guardrails.values import SECRET, cleaned

ANYBODY = {"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
OPEN = {"Statement": [ANYBODY]}
EVERYTHING = {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
ANY_KEY = {"Statement": {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}}
ANOTHER_ACCOUNT = {
    "Statement": {"Effect": "Allow", "Action": "kms:Decrypt", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}}
}
GROUP = {"type": "ingress", "securityGroupId": "server-network-group-database-id"}
# Each of them is no more than somebody's own.
MANY = Resource(
    "aws:ec2/securityGroupRule:SecurityGroupRule",
    "many",
    {**GROUP, "cidrBlocks": [f"{each}.0.0.0/8" for each in range(20, 24)]},
)
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ANY_ACCOUNT = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}}


@dataclass(frozen=True)
class Break:
    """A change of one input."""

    looked: str
    """The resource that the rule says it of."""
    path: str
    value: Any
    changed: str = ""
    """The resource that is changed; the same one where that is empty."""
    plan: str = "prod"
    mends: bool = False
    """Whether the program breaks the rule, and the change mends it."""
    added: Resource | None = None
    """A resource that is added in the place of a change."""

    def on(self, plan: Plan) -> Plan:
        """The plan with the change."""
        if self.added:
            return replace(plan, resources=(*plan.resources, self.added))
        name = self.changed or self.looked
        assert [each.name for each in plan.resources].count(name) == 1, f"there is no {name}"
        return replace(plan, resources=tuple(self._put(each) if each.name == name else each for each in plan.resources))

    def _put(self, resource: Resource) -> Resource:
        inputs = copy.deepcopy(dict(resource.inputs))
        *above, last = self.path.split("/")
        at: Any = inputs
        for step in above:
            at = at.setdefault(step, {})
        at[last] = self.value if self.value is SECRET else cleaned(self.value)
        return replace(resource, inputs=inputs)


FILES, BACKUP = "storage-objects-files", "backups-bucket"
INSTANCE, PARAMETERS, CDN = "server-rds-instance", "server-rds-parameters", "storage-cdn-distribution"
LOGGED = [{"name": name, "value": "1"} for name in ("log_connections", "log_disconnections")]
BREAKS = {
    "table-row-security": Break("access-table-public.projects", "table", "public.other", "access-public.projects"),
    "row-security-off": Break("access-public.projects", "enabled", False),
    "row-security-forced": Break("access-public.projects", "forced", False),
    "grant-to-public": Break("access-table-public.projects", "grants/public", ["select"]),
    "grant-option": Break("access-table-public.projects", "grants/anon", ["select with grant option"]),
    "policy-write-unconditional": Break("access-projects_update_own", "check", "(true)"),
    "policy-read-unconditional": Break("access-projects_select_public", "using", "true"),
    "policy-not-bound": Break("access-projects_update_own", "using", "(select auth.uid()) is not null"),
    "policy-to-public": Break("access-projects_select_public", "roles", ["public"]),
    "policy-user-metadata": Break("access-projects_update_own", "using", "(auth.jwt() -> 'user_metadata') is null"),
    "service-role-reach": Break("roles-authenticated-groups", "groups", ["service_role"]),
    "browser-role": Break("roles-anon", "bypassrls", True),
    "role-attribute": Break("roles-scanner", "createrole", True),
    "login-limited": Break("roles-scanner", "settings", {"lock_timeout": "5s"}),
    "login-connections": Break("roles-authenticator", "limit", 100, mends=True),
    "login-password": Break("roles-scanner", "verifier", "md5d41d8cd98f00b204e9800998ecf8427e"),
    "hosted-tls": Break("hosted-project", "networks", ["0.0.0.0/0"], plan="hosted"),
    "bucket-limits": Break("storage-audio", "fileSizeLimit", None),
    "bucket-public": Break("storage-avatars", "allowedMimeTypes", ["image/png", "image/svg+xml"]),
    "s3-public-access-block": Break(f"{FILES}-bucket", "blockPublicPolicy", False, f"{FILES}-private"),
    "s3-acl": Break(f"{FILES}-bucket", "acl", "public-read"),
    "s3-ownership": Break(f"{FILES}-bucket", "rule/objectOwnership", "ObjectWriter", f"{FILES}-owner"),
    "s3-policy-open": Break(f"{FILES}-tls", "policy", OPEN),
    "s3-tls": Break(f"{FILES}-bucket", "policy", OPEN, f"{FILES}-tls"),
    "s3-encryption": Break(f"{FILES}-bucket", "rules", [], f"{FILES}-encrypted"),
    "s3-versioning": Break(f"{FILES}-bucket", "versioningConfiguration/status", "Suspended", f"{FILES}-versions"),
    "s3-lifecycle": Break(f"{FILES}-bucket", "rules", [{"id": "old", "status": "Disabled"}], f"{FILES}-lifecycle"),
    "s3-access-log": Break(f"{FILES}-bucket", "bucket", "another", "storage-objects-logged"),
    "s3-lock": Break(f"{BACKUP}-bucket", "rule", {}, f"{BACKUP}-lock"),
    "cdn-tls": Break(CDN, "defaultCacheBehavior/viewerProtocolPolicy", "allow-all"),
    "cdn-origin": Break(CDN, "origins", [{"originId": "objects"}]),
    "cdn-signed": Break(CDN, "defaultCacheBehavior/trustedKeyGroups", []),
    "cdn-certificate": Break(CDN, "viewerCertificate", {"minimumProtocolVersion": "TLSv1.2_2021"}, mends=True),
    "cdn-logged": Break(CDN, "logType", "OTHER", "storage-cdn-log-source"),
    "cdn-firewall": Break(CDN, "webAclId", "arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/b", mends=True),
    "rds-private": Break(INSTANCE, "publiclyAccessible", True),
    "rds-encrypted": Break(INSTANCE, "storageEncrypted", False),
    "rds-tls": Break(PARAMETERS, "parameters", [{"name": "rds.force_ssl", "value": "0"}]),
    "rds-scram": Break(PARAMETERS, "parameters", [{"name": "password_encryption", "value": "md5"}]),
    "rds-statements-logged": Break(PARAMETERS, "parameters", []),
    "rds-connections-logged": Break(
        PARAMETERS, "parameters", [*LOGGED, {"name": "log_statement", "value": "ddl"}], mends=True
    ),
    "rds-backups": Break(INSTANCE, "backupRetentionPeriod", 1),
    "rds-deletion-protection": Break(INSTANCE, "deletionProtection", False),
    "rds-last-snapshot": Break(INSTANCE, "skipFinalSnapshot", True),
    "rds-multi-az": Break(INSTANCE, "multiAz", False),
    "rds-minor-versions": Break(INSTANCE, "autoMinorVersionUpgrade", False),
    "rds-logs": Break(INSTANCE, "enabledCloudwatchLogsExports", ["upgrade"]),
    "rds-monitoring": Break(INSTANCE, "monitoringInterval", 0),
    "rds-tags-copied": Break(INSTANCE, "copyTagsToSnapshot", False),
    "rds-iam-login": Break(INSTANCE, "iamDatabaseAuthenticationEnabled", True, mends=True),
    "rds-port": Break(INSTANCE, "port", 6432, mends=True),
    "rds-master-name": Break(INSTANCE, "username", "postgres"),
    "rds-master-password": Break(INSTANCE, "password", SECRET),
    "rds-events": Break(INSTANCE, "eventCategories", ["backup"], "server-watch-events-db-instance"),
    "proxy-tls": Break("server-proxy-proxy", "requireTls", False),
    "network-open": Break("server-network-into-database", "cidrIpv4", "0.0.0.0/0"),
    "network-wide": Break("server-network-into-database", "", None, added=MANY),
    "network-egress": Break("server-network-to-database", "cidrIpv4", "0.0.0.0/0"),
    "subnet-private": Break("server-network-subnet-a", "mapPublicIpOnLaunch", True),
    "network-flow-logs": Break(
        "server-network-vpc", "", None, mends=True, added=Resource("aws:ec2/flowLog:FlowLog", "flows", {})
    ),
    "secret-plain": Break("server-health-function", "environment/variables/DATABASE_PASSWORD", "geheim"),
    "key-rotation": Break("storage-objects-key", "enableKeyRotation", False),
    "key-window": Break("storage-objects-key", "deletionWindowInDays", 7),
    "policy-open": Break("storage-objects-key", "policy", json.dumps(OPEN)),
    "topic-encrypted": Break("alarms-topic", "kmsMasterKeyId", ""),
    "topic-tls": Break("alarms-policy", "policy", {"Statement": []}),
    "account-foreign": Break("storage-objects-key", "policy", json.dumps(ANOTHER_ACCOUNT)),
    "role-managed": Break("server-vault-role", "managedPolicyArns", [ADMINISTRATOR]),
    "role-rights": Break("server-vault-rights", "policy", json.dumps(EVERYTHING)),
    "key-for-all": Break("server-vault-rights", "policy", json.dumps(ANY_KEY)),
    "role-trust": Break("storage-access-server", "assumeRolePolicy", json.dumps(ANY_ACCOUNT)),
    "secret-key": Break("server-health-secret", "kmsKeyId", None),
    "secret-value": Break("server-health-secret-value", "secretString", "geheim"),
    "function-open": Break("server-health-allowed", "principal", "*"),
    "function-runtime": Break("server-health-function", "runtime", "python3.8"),
    "function-zones": Break("server-health-function", "vpcConfig/subnetIds", ["subnet-1"]),
    "secret-rotation": Break(
        "server-health-secret",
        "",
        None,
        mends=True,
        added=Resource(
            "aws:secretsmanager/secretRotation:SecretRotation", "rotates", {"secretId": "server-health-secret-id"}
        ),
    ),
    "log-retention": Break("server-health-log", "retentionInDays", None),
    "vault-lock": Break("server-vault-vault", "minRetentionDays", None, "server-vault-vault-lock"),
    "vault-encrypted": Break("server-vault-vault", "kmsKeyArn", None),
    "backup-age": Break(INSTANCE, "evaluationPeriods", 100, "backups-alarm"),
    "backup-drill": Break(INSTANCE, "within", 90, "snapshot-drills"),
    "tagged": Break("server-aws", "defaultTags", '{"tags": {"Project": "visual-prompt-builder"}}'),
    "named": Break(INSTANCE, "identifier", "database-1"),
}

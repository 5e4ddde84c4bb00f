"""Rules on what is kept and found again: logs, backups, tags, names."""

import json
import re

from guardrails.model import EVERY, Check, Plan, Resource, Severity, Where, names, rule, shown
from guardrails.rules.servers import CLUSTER, INSTANCE
from guardrails.values import at, cleaned

LOG, VAULT = "aws:cloudwatch/logGroup:LogGroup", "aws:backup/vault:Vault"
VAULT_LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
ALARM, GATE = "aws:cloudwatch/metricAlarm:MetricAlarm", "pg:index:DrillGate"
PROVIDER = "pulumi:providers:aws"
# What the alarm of backups counts (declared/backups.py).
BACKUP_METRIC, MOST_HOURS, MOST_DAYS_TO_DRILL = "HoursSinceNewestBackup", 48, 31
TAGS = ("Project", "Stack")
IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
INLINE = "rights"


@rule(
    "log-retention",
    Severity.medium,
    LOG,
    "a log that is kept for ever, or for less than 30 days",
    "what people wrote stays without an end, or a break-in is noticed after its traces went",
    "set retentionInDays",
    "CloudWatch Logs manual, Log retention",
)
def log_retention(resource: Resource, plan: Plan) -> Check:
    days = resource.get("retentionInDays")
    return Check((days or 0) >= 30, f"retentionInDays is {shown(days)}")


@rule(
    "vault-lock",
    Severity.high,
    VAULT,
    "a vault whose snapshots can be deleted at once",
    "who takes over the account deletes the backups with the database",
    "set lockDays of database:backups",
    "AWS Backup manual, Vault Lock",
    where=Where.kept,
    whole=True,
)
def vault_lock(resource: Resource, plan: Plan) -> Check:
    days = [each.get("minRetentionDays") for each in plan.settings(VAULT_LOCK, "backupVaultName", resource, "name")]
    return Check(any(days), f"locked for {names(each for each in days if each) or 'no'} days")


@rule(
    "vault-encrypted",
    Severity.high,
    VAULT,
    "a vault whose snapshots are encrypted by AWS' own key",
    "who may read snapshots of the account reads them",
    "set kmsKeyArn",
    "AWS Backup.1",
)
def vault_encrypted(resource: Resource, plan: Plan) -> Check:
    key = resource.inputs.get("kmsKeyArn")
    return Check(bool(key), f"kmsKeyArn is {'set' if key else 'not set'}")


@rule(
    "backup-age",
    Severity.high,
    (INSTANCE, CLUSTER),
    f"a server for which no alarm says within {MOST_HOURS} hours that no backup was made",
    "the day that one is needed is the day that it is missed",
    "set recoveryPoint of database:backups",
    "CIS PostgreSQL 7.3",
    where=Where.kept,
    whole=True,
)
def backup_age(resource: Resource, plan: Plan) -> Check:
    hours = [
        each.get("evaluationPeriods") * each.get("period") / 3600
        for each in plan.of_type(ALARM)
        if each.get("metricName") == BACKUP_METRIC and each.get("treatMissingData") == "breaching"
    ]
    return Check(
        any(each <= MOST_HOURS for each in hours), f"an alarm after {names(int(each) for each in hours) or 'no'} hours"
    )


@rule(
    "backup-drill",
    Severity.medium,
    (INSTANCE, CLUSTER),
    "a server whose backups nothing asks to be proven",
    "a backup that was never restored may not be one",
    "set drillWithin of database:backups",
    "CIS PostgreSQL 7.3",
    where=Where.kept,
    whole=True,
)
def backup_drill(resource: Resource, plan: Plan) -> Check:
    days = [each.get("within") for each in plan.of_type(GATE)]
    return Check(any(each <= MOST_DAYS_TO_DRILL for each in days), f"a drill within {names(days) or 'no'} days")


@rule(
    "tagged",
    Severity.medium,
    PROVIDER,
    "resources at AWS without the tags of their stack",
    "nothing says whose they are, nor what they cost",
    f"set {names(TAGS)} as default_tags of the provider",
    "AWS manual, Tagging best practices",
)
def tagged(resource: Resource, plan: Plan) -> Check:
    given = resource.get("defaultTags")
    tags = at(cleaned(json.loads(given)) if isinstance(given, str) else given, "tags") or {}
    lacks = [each for each in TAGS if each not in tags]
    return Check(not lacks, f"default tags {names(tags) or 'none'}")


@rule(
    "named",
    Severity.low,
    EVERY,
    "a name that doesn't say whose it is, or that has to be quoted",
    "who finds it at AWS doesn't know its stack; a quoted name is mistyped",
    "take it from declared/awsnames.py; in the database use a-z, 0-9 and _",
    "PostgreSQL manual, 4.1.1 Identifiers and Key Words",
)
def named(resource: Resource, plan: Plan) -> Check | None:
    key = {"aws:s3/bucket:Bucket": "bucket", INSTANCE: "identifier", CLUSTER: "clusterIdentifier"}.get(
        resource.type, "name"
    )
    name = resource.inputs.get(key)
    if not isinstance(name, str) or name == INLINE:
        return None
    if resource.type.startswith("aws:"):
        # Pulumi's own names begin with the resource's.
        ours = name.startswith(resource.name) or any(
            f"{prefix}-{plan.stack}-" in name for prefix in ("visual-prompt-builder", "vpb")
        )
        return Check(ours, f"it is called {name}")
    if resource.type in ("pg:index:Role", "pg:index:Schema", "pg:index:Policy"):
        return Check(IDENTIFIER.fullmatch(name) is not None, f"it is called {name}")
    return None


RULES = (
    log_retention,
    vault_lock,
    vault_encrypted,
    backup_age,
    backup_drill,
    tagged,
    named,
)

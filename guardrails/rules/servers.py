"""Rules on a database server at AWS: who reaches it, what is kept and what is seen of it."""

from guardrails.model import Check, Plan, Resource, Severity, Where, is_, names, rule, shown
from guardrails.values import listed

INSTANCE, CLUSTER = "aws:rds/instance:Instance", "aws:rds/cluster:Cluster"
MEMBER, EVENTS = "aws:rds/clusterInstance:ClusterInstance", "aws:rds/eventSubscription:EventSubscription"
PARAMETERS = ("aws:rds/parameterGroup:ParameterGroup", "aws:rds/clusterParameterGroup:ClusterParameterGroup")
LEAST_DAYS = 7
DEFAULT_PORT, DEFAULT_NAMES = 5432, {"postgres", "admin", "rdsadmin"}
CIS = "CIS PostgreSQL"


@rule(
    "rds-private",
    Severity.critical,
    (INSTANCE, MEMBER),
    "a database server that has a public address",
    "anybody on the internet may try a password",
    "set publiclyAccessible to false",
    "AWS RDS.2",
    f"{CIS} 5.2",
)
def rds_private(resource: Resource, plan: Plan) -> Check:
    return is_(resource, False, "publiclyAccessible")


@rule(
    "rds-encrypted",
    Severity.high,
    (INSTANCE, CLUSTER),
    "a database server whose storage isn't encrypted",
    "who gets a disk or a snapshot has the rows",
    "set storageEncrypted and kmsKeyId; a server that is there has to be restored from an encrypted snapshot",
    "AWS RDS.3",
    "AWS RDS.27",
)
def rds_encrypted(resource: Resource, plan: Plan) -> Check:
    return is_(resource, True, "storageEncrypted")


def _parameters(resource: Resource) -> dict[str, str]:
    return {each["name"]: str(each.get("value")) for each in listed(resource.get("parameters"))}


@rule(
    "rds-tls",
    Severity.high,
    PARAMETERS,
    "a database server that takes sessions without TLS",
    "passwords and rows cross the network in clear text",
    "set rds.force_ssl to 1",
    "AWS RDS.38",
    f"{CIS} 6.8",
)
def rds_tls(resource: Resource, plan: Plan) -> Check:
    value = _parameters(resource).get("rds.force_ssl")
    return Check(value == "1", f"rds.force_ssl is {shown(value)}")


@rule(
    "rds-scram",
    Severity.high,
    PARAMETERS,
    "a database server that takes or keeps passwords as MD5",
    "an MD5 hash that is seen is enough to log in",
    "set password_encryption and rds.accepted_password_auth_method",
    f"{CIS} 5.4",
)
def rds_scram(resource: Resource, plan: Plan) -> Check:
    found = _parameters(resource)
    kept, taken = found.get("password_encryption"), found.get("rds.accepted_password_auth_method")
    return Check(kept == "scram-sha-256" and taken == "scram", f"kept as {shown(kept)}, taken as {shown(taken)}")


@rule(
    "rds-statements-logged",
    Severity.medium,
    PARAMETERS,
    "a database server that logs no slow statement, or the values that clients send",
    "what was slow can't be found, or a log holds what people wrote",
    "set log_min_duration_statement, and log_parameter_max_length to 0",
    f"{CIS} 3.1",
)
def rds_statements_logged(resource: Resource, plan: Plan) -> Check:
    found = _parameters(resource)
    slow, values = found.get("log_min_duration_statement"), found.get("log_parameter_max_length")
    good = slow not in (None, "-1") and values == "0"
    return Check(good, f"log_min_duration_statement is {shown(slow)}, log_parameter_max_length is {shown(values)}")


@rule(
    "rds-connections-logged",
    Severity.low,
    PARAMETERS,
    "a database server that logs no sessions and no changes of the structure",
    "who was in, and who changed what, isn't seen afterwards",
    "set log_connections, log_disconnections and log_statement",
    f"{CIS} 3.1.20",
    f"{CIS} 3.1.21",
    f"{CIS} 3.1.25",
)
def rds_connections_logged(resource: Resource, plan: Plan) -> Check:
    found = _parameters(resource)
    wanted = {
        "log_connections": {"1", "on", "all"},
        "log_disconnections": {"1", "on"},
        "log_statement": {"ddl", "mod", "all"},
    }
    seen = ", ".join(f"{name} is {shown(found.get(name))}" for name in wanted)
    return Check(all(found.get(name) in values for name, values in wanted.items()), seen)


@rule(
    "rds-backups",
    Severity.high,
    (INSTANCE, CLUSTER),
    f"a database server whose automatic backups are kept for less than {LEAST_DAYS} days",
    "a mistake that is noticed after a weekend can't be taken back",
    "set server:backupDays",
    "AWS RDS.11",
    f"{CIS} 7.3",
)
def rds_backups(resource: Resource, plan: Plan) -> Check:
    days = resource.get("backupRetentionPeriod")
    return Check((days or 0) >= LEAST_DAYS, f"backupRetentionPeriod is {shown(days)} days")


@rule(
    "rds-deletion-protection",
    Severity.high,
    (INSTANCE, CLUSTER),
    "a database server that one call deletes",
    "the database is gone, with what wasn't backed up",
    "leave database:protectData at true",
    "AWS RDS.8",
    "AWS RDS.7",
    where=Where.kept,
)
def rds_deletion_protection(resource: Resource, plan: Plan) -> Check:
    return is_(resource, True, "deletionProtection")


@rule(
    "rds-last-snapshot",
    Severity.high,
    (INSTANCE, CLUSTER),
    "a database server that ends without a last snapshot, or takes its backups along",
    "what was written since the last backup is lost",
    "set skipFinalSnapshot and deleteAutomatedBackups to false",
    "RDS manual, Deleting a DB instance",
    where=Where.kept,
)
def rds_last_snapshot(resource: Resource, plan: Plan) -> Check:
    skips, deletes = resource.get("skipFinalSnapshot"), resource.get("deleteAutomatedBackups")
    good = skips is False and deletes is False
    return Check(good, f"skipFinalSnapshot is {shown(skips)}, deleteAutomatedBackups is {shown(deletes)}")


@rule(
    "rds-multi-az",
    Severity.high,
    (INSTANCE, CLUSTER),
    "a production server in one zone",
    "with the zone the app is down until somebody restores it elsewhere",
    "set server:multiAz to true, or server:readers to 1 or more",
    "AWS RDS.5",
    "AWS RDS.15",
    where=Where.production,
    whole=True,
)
def rds_multi_az(resource: Resource, plan: Plan) -> Check:
    if resource.type == INSTANCE:
        return is_(resource, True, "multiAz")
    zones = {each.get("availabilityZone") for each in plan.of_type(MEMBER)}
    return Check(len(zones) > 1, f"servers in {names(zones) or 'no zone'}")


@rule(
    "rds-minor-versions",
    Severity.high,
    (INSTANCE, MEMBER),
    "a database server that stays on its minor version",
    "known holes stay open",
    "set autoMinorVersionUpgrade to true",
    "AWS RDS.13",
    "AWS RDS.35",
)
def rds_minor_versions(resource: Resource, plan: Plan) -> Check:
    return is_(resource, True, "autoMinorVersionUpgrade")


@rule(
    "rds-logs",
    Severity.medium,
    (INSTANCE, CLUSTER),
    "a database server whose log stays on it",
    "with the server its log is lost, and no alarm reads it",
    "add postgresql to enabledCloudwatchLogsExports",
    "AWS RDS.9",
    "AWS RDS.36",
    "AWS RDS.37",
)
def rds_logs(resource: Resource, plan: Plan) -> Check:
    logs = listed(resource.get("enabledCloudwatchLogsExports"))
    return Check("postgresql" in logs, f"exported: {names(logs) or 'nothing'}")


@rule(
    "rds-monitoring",
    Severity.low,
    (INSTANCE, MEMBER),
    "a database server whose machine isn't measured",
    "what fills memory or disk isn't seen",
    "set monitoringInterval and monitoringRoleArn",
    "AWS RDS.6",
)
def rds_monitoring(resource: Resource, plan: Plan) -> Check:
    seconds = resource.get("monitoringInterval")
    return Check(bool(seconds), f"monitoringInterval is {shown(seconds)}")


@rule(
    "rds-tags-copied",
    Severity.low,
    (INSTANCE, CLUSTER),
    "a database server whose snapshots have no tags",
    "nothing says whose a snapshot is",
    "set copyTagsToSnapshot to true",
    "AWS RDS.17",
    "AWS RDS.16",
)
def rds_tags_copied(resource: Resource, plan: Plan) -> Check:
    return is_(resource, True, "copyTagsToSnapshot")


@rule(
    "rds-iam-login",
    Severity.low,
    (INSTANCE, CLUSTER),
    "a database server that knows logins by password alone",
    "a password is good until it is changed; a token of IAM for 15 minutes",
    "logins here are rotated by ./vpb rotate; except it with that reason, or set iamDatabaseAuthenticationEnabled",
    "AWS RDS.10",
    "AWS RDS.12",
)
def rds_iam_login(resource: Resource, plan: Plan) -> Check:
    return is_(resource, True, "iamDatabaseAuthenticationEnabled")


@rule(
    "rds-port",
    Severity.low,
    (INSTANCE, CLUSTER),
    "a database server on PostgreSQL's own port",
    "who is in the network finds it without looking",
    "set port; here no route leads to it from outside, and clients' URLs have it",
    "AWS RDS.23",
)
def rds_port(resource: Resource, plan: Plan) -> Check:
    port = resource.get("port") or DEFAULT_PORT
    return Check(port != DEFAULT_PORT, f"port is {port}")


@rule(
    "rds-master-name",
    Severity.medium,
    (INSTANCE, CLUSTER),
    "a database server whose master has the name that everybody tries",
    "half of a login is known",
    "give it another username; it is set once",
    "AWS RDS.25",
    "AWS RDS.24",
)
def rds_master_name(resource: Resource, plan: Plan) -> Check:
    name = resource.get("masterUsername" if resource.type == CLUSTER else "username")
    return Check(isinstance(name, str) and name not in DEFAULT_NAMES, f"the master is {shown(name)}")


@rule(
    "rds-master-password",
    Severity.critical,
    (INSTANCE, CLUSTER),
    "a database server whose master's password is an input of the program",
    "it is in the state, in backups of it, and never changes",
    "set manageMasterUserPassword, so that AWS keeps and changes it",
    "AWS SecretsManager.1",
)
def rds_master_password(resource: Resource, plan: Plan) -> Check:
    given = resource.inputs.get("password") or resource.inputs.get("masterPassword")
    managed = resource.get("manageMasterUserPassword")
    return Check(
        managed is True and given is None,
        f"manageMasterUserPassword is {shown(managed)}{', and one is given' if given else ''}",
    )


@rule(
    "rds-events",
    Severity.low,
    (INSTANCE, CLUSTER),
    "a database server whose failures notify nobody",
    "a failover or a full disk is seen when the app stops",
    "add an EventSubscription, as components/watch.py does",
    "AWS RDS.20",
    "AWS RDS.19",
    whole=True,
)
def rds_events(resource: Resource, plan: Plan) -> Check:
    found = [event for each in plan.of_type(EVENTS) for event in listed(each.get("eventCategories"))]
    return Check("failure" in found, f"subscribed: {names({*found}) or 'nothing'}")


RULES = (
    rds_private,
    rds_encrypted,
    rds_tls,
    rds_scram,
    rds_statements_logged,
    rds_connections_logged,
    rds_backups,
    rds_deletion_protection,
    rds_last_snapshot,
    rds_multi_az,
    rds_minor_versions,
    rds_logs,
    rds_monitoring,
    rds_tags_copied,
    rds_iam_login,
    rds_port,
    rds_master_name,
    rds_master_password,
    rds_events,
)

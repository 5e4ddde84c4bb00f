"""The controls of AWS Security Hub that are about services used here, in words of our own.

Most are of its Foundational Security Best Practices; S3.10, S3.14, S3.15, S3.17, S3.20, KMS.4 and SNS.1 are of others
of its standards.
"""

from guardrails.rules.accounts import KEY, TOPIC_POLICY
from guardrails.rules.servers import CLUSTER, INSTANCE, MEMBER
from ops.compliance.model import FSBP, Control

ACCOUNT = "a setting of the whole account, which no stack may take for itself"
FAMILY = "for another engine than PostgreSQL"


def _control(id: str, title: str, *rules: str, **more: object) -> Control:
    return Control(FSBP, id, title, rules, **more)  # type: ignore[arg-type]


def _unused(id: str, title: str, why: str) -> Control:
    return Control(FSBP, id, title, absent=why, applies=False)


CONTROLS = (
    _control("Backup.1", "recovery points are encrypted", "vault-encrypted"),
    _unused(
        "CloudFront.1", "a distribution has a default object", "it serves files by their names, and its root is signed"
    ),
    _control("CloudFront.3", "browsers reach a distribution by TLS alone", "cdn-tls"),
    _unused("CloudFront.4", "a distribution has a second origin", "the files are in one bucket"),
    _control("CloudFront.5", "a distribution logs its requests", "cdn-logged"),
    _control("CloudFront.6", "a distribution has a firewall (WAF)", "cdn-firewall"),
    _control("CloudFront.7", "a distribution has a certificate of its own", "cdn-certificate"),
    _unused("CloudFront.8", "a distribution answers by SNI", "it has no certificate of its own"),
    _unused("CloudFront.9", "a distribution reaches other origins by TLS", "its origin is S3"),
    _unused("CloudFront.10", "no old TLS to other origins", "its origin is S3"),
    _unused("CloudFront.12", "a distribution's bucket is there", "its bucket is a resource of the same stack"),
    _control("CloudFront.13", "a bucket lets a distribution in by access control", "cdn-origin"),
    _control("CloudFront.15", "a distribution speaks a recommended TLS", "cdn-certificate"),
    _control("CloudFront.17", "signed URLs are signed by key groups", "cdn-signed"),
    Control(FSBP, "CloudTrail.1", "calls to the account's services are logged", absent=ACCOUNT),
    Control(FSBP, "Config.1", "the account's settings are recorded", absent=ACCOUNT),
    Control(
        FSBP, "EC2.2", "the default group of a network lets nothing in", absent="AWS makes it; nothing here is in it"
    ),
    _control("EC2.6", "a network has flow logs", "network-flow-logs"),
    _control("EC2.13", "nothing lets everybody in at port 22", "network-open"),
    _control("EC2.14", "nothing lets everybody in at port 3389", "network-open"),
    _control("EC2.15", "a subnet gives no public addresses", "subnet-private"),
    _control("EC2.18", "what lets everybody in is a port for that", "network-open"),
    _control("EC2.19", "no port of risk is open to everybody", "network-open"),
    Control(FSBP, "GuardDuty.1", "GuardDuty watches the account", absent=ACCOUNT),
    _control("IAM.1", "no policy allows everything", "role-rights"),
    _control("IAM.21", "no policy allows everything of a service", "role-rights"),
    _control("KMS.1", "no policy decrypts by every key", "key-for-all"),
    _control("KMS.2", "no role decrypts by every key", "key-for-all"),
    _control("KMS.3", "no key is about to be deleted", "key-window"),
    _control("KMS.4", "keys rotate", "key-rotation"),
    _control("KMS.5", "no key is for anybody", "policy-open", types=(KEY,)),
    _control("Lambda.1", "no function is for anybody", "function-open"),
    _control("Lambda.2", "functions have a runtime that is corrected", "function-runtime"),
    _control("Lambda.5", "functions in a network are in several zones", "function-zones"),
    Control(FSBP, "RDS.1", "snapshots are private", absent="snapshots are made later; the program shares none"),
    _control("RDS.2", "servers have no public address", "rds-private"),
    _control("RDS.3", "servers are encrypted", "rds-encrypted", types=(INSTANCE,)),
    _control("RDS.4", "snapshots are encrypted", "rds-encrypted"),
    _control("RDS.5", "servers are in several zones", "rds-multi-az", types=(INSTANCE,)),
    _control("RDS.6", "servers' machines are measured", "rds-monitoring"),
    _control("RDS.7", "clusters are protected from deletion", "rds-deletion-protection", types=(CLUSTER,)),
    _control("RDS.8", "servers are protected from deletion", "rds-deletion-protection", types=(INSTANCE,)),
    _control("RDS.9", "servers log to CloudWatch", "rds-logs", types=(INSTANCE,)),
    _control("RDS.10", "servers take logins of IAM", "rds-iam-login", types=(INSTANCE,)),
    _control("RDS.11", "servers have backups", "rds-backups", types=(INSTANCE,)),
    _control("RDS.12", "clusters take logins of IAM", "rds-iam-login", types=(CLUSTER,)),
    _control("RDS.13", "servers get minor versions by themselves", "rds-minor-versions"),
    _unused("RDS.14", "clusters go back in time", FAMILY),
    _control("RDS.15", "clusters are in several zones", "rds-multi-az", types=(CLUSTER,)),
    _control("RDS.16", "clusters' snapshots have tags", "rds-tags-copied", types=(CLUSTER,)),
    _control("RDS.17", "servers' snapshots have tags", "rds-tags-copied", types=(INSTANCE,)),
    _control("RDS.19", "failures of clusters notify", "rds-events", types=(CLUSTER,)),
    _control("RDS.20", "failures of servers notify", "rds-events", types=(INSTANCE,)),
    Control(FSBP, "RDS.21", "changes of parameters notify", absent="a preview names them; no subscription is declared"),
    Control(FSBP, "RDS.22", "changes of groups notify", absent="a preview names them; no subscription is declared"),
    _control("RDS.23", "servers have another port than the engine's", "rds-port"),
    _control("RDS.24", "clusters' masters have a name of their own", "rds-master-name", types=(CLUSTER,)),
    _control("RDS.25", "servers' masters have a name of their own", "rds-master-name", types=(INSTANCE,)),
    _control("RDS.27", "clusters are encrypted", "rds-encrypted", types=(CLUSTER,)),
    _unused("RDS.34", "clusters log audits", FAMILY),
    _control("RDS.35", "clusters get minor versions by themselves", "rds-minor-versions", types=(MEMBER,)),
    _control("RDS.36", "PostgreSQL's log goes to CloudWatch", "rds-logs", types=(INSTANCE,)),
    _control("RDS.37", "Aurora's log goes to CloudWatch", "rds-logs", types=(CLUSTER,)),
    _control("RDS.38", "sessions need TLS", "rds-tls"),
    _control("RDS.43", "proxies need TLS", "proxy-tls"),
    Control(FSBP, "S3.1", "the account blocks public buckets", absent=ACCOUNT),
    _control(
        "S3.2",
        "nobody in particular reads a bucket",
        "s3-public-access-block",
        "s3-policy-open",
        audit=("s3-public-policy",),
    ),
    _control(
        "S3.3",
        "nobody in particular writes to a bucket",
        "s3-public-access-block",
        "s3-policy-open",
        audit=("s3-public-policy",),
    ),
    _control("S3.5", "buckets need TLS", "s3-tls", audit=("s3-tls",)),
    _control("S3.6", "no other account changes a bucket", "s3-policy-open", audit=("s3-foreign-account",)),
    _control("S3.8", "buckets can't be made public", "s3-public-access-block", audit=("s3-public-access-block",)),
    _control("S3.9", "buckets log their requests", "s3-access-log", audit=("s3-access-log",)),
    _control("S3.10", "versions have an end", "s3-lifecycle", audit=("s3-lifecycle",)),
    _control("S3.12", "buckets have no access lists", "s3-ownership", "s3-acl", audit=("s3-ownership",)),
    _control("S3.13", "buckets have lifecycle rules", "s3-lifecycle", audit=("s3-lifecycle",)),
    _control("S3.14", "buckets keep versions", "s3-versioning", audit=("s3-versioning",)),
    _control("S3.15", "buckets of backups are locked", "s3-lock"),
    _control("S3.17", "buckets are encrypted by a rule of their own", "s3-encryption", audit=("s3-encryption",)),
    _unused("S3.19", "access points are private", "there are none"),
    Control(
        FSBP,
        "S3.20",
        "versions end by a second factor alone",
        absent="only the account's root sets it; the lock of backups is declared",
    ),
    _unused("S3.24", "access points of several regions are private", "there are none"),
    _control("SecretsManager.1", "secrets rotate", "secret-rotation", "rds-master-password"),
    Control(FSBP, "SecretsManager.4", "secrets were changed lately", audit=("password-old",)),
    _control("SNS.1", "topics are encrypted", "topic-encrypted", audit=("sns-encryption",)),
    _control("SNS.4", "topics are for this account", "policy-open", audit=("sns-open",), types=(TOPIC_POLICY,)),
)

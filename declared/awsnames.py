"""What a stack's resources are called at AWS: by its name alone, so that they are found again without its state."""

import hashlib
import re
from dataclasses import dataclass

ROLES = ("server", "api", "scanner", "cleaner", "backup", "drill", "malware", "monitoring", "proxy", "vault", "health")
KEYS = ("objects", "alarms", "database", "backups")
BUCKETS = ("objects", "logs", "backups")
# ARNs and domains of the other partitions (China, GovCloud, the isolated ones) are others.
REGION = re.compile(r"(?!cn-|us-gov-|(us|eu)-iso)[a-z]{2}(-[a-z]+)+-[0-9]")
REGIONS = "an AWS region such as us-east-1, and not one of China, GovCloud or another partition"
# The key of all states of an account.
STATE_ALIAS = "alias/visual-prompt-builder-state"


@dataclass(frozen=True)
class AwsNames:
    """The names of one stack in one account."""

    stack: str
    account: str

    def bucket(self, use: str) -> str:
        """An S3 bucket's; with the account's number, since all accounts share these names."""
        return f"vpb-{self.stack}-{self.account}-{use}"

    def alias(self, use: str) -> str:
        """That of a KMS key, as an alias."""
        return f"alias/{self.of(use)}"

    @property
    def vault(self) -> str:
        """What AWS Backup has of the stack's server: a name there has at most 50 characters."""
        return f"vpb-{self.stack}-database"

    def of(self, what: str) -> str:
        """That of anything else, of a role by what it is for."""
        return f"visual-prompt-builder-{self.stack}-{what}"


def state_bucket(account: str) -> str:
    """The S3 bucket with all states of an account."""
    return f"vpb-state-{account}"


def asked_tag(address: str) -> str:
    """The tag of the alarm topic that says that an e-mail address was asked to confirm."""
    return f"asked-{hashlib.sha256(address.encode()).hexdigest()[:16]}"

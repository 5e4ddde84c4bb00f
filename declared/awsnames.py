"""What a stack's resources are called at AWS: by its name alone, so that they are found again without its state."""

import hashlib
from dataclasses import dataclass

ROLES = ("server", "api", "scanner", "cleaner", "backup", "drill", "malware", "monitoring", "proxy")
KEYS = ("objects", "alarms", "database", "backups")
BUCKETS = ("objects", "logs", "backups")
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

    def of(self, what: str) -> str:
        """That of anything else, of a role by what it is for."""
        return f"visual-prompt-builder-{self.stack}-{what}"


def state_bucket(account: str) -> str:
    """The S3 bucket with all states of an account."""
    return f"vpb-state-{account}"


def asked_tag(address: str) -> str:
    """The tag of the alarm topic that says that an e-mail address was asked to confirm."""
    return f"asked-{hashlib.sha256(address.encode()).hexdigest()[:16]}"

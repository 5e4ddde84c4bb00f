"""What was found in a live database, to be written as files."""

import re
from dataclasses import dataclass, field
from typing import Any

from declared.platform import Platform

LEFT = "isn't in the files; make it wherever the baseline is run"


@dataclass
class Found:
    """What is to be declared of a database."""

    identity: str
    login: str
    platform: Platform
    is_superuser: bool = False
    """Whether the login is one; the baseline makes none elsewhere."""
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Schema to its owner and comment; without them it is made by the baseline and compared by the snapshot."""
    owner_of_public: str = ""
    extensions: dict[str, str] = field(default_factory=dict)
    roles: list[dict[str, str]] = field(default_factory=list)
    row_security: dict[str, str] = field(default_factory=dict)
    partitions: dict[str, str] = field(default_factory=dict)
    """Those that stand open where their tables are closed, to in what."""
    policies: list[dict[str, Any]] = field(default_factory=list)
    schema_grants: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    sequences: dict[str, Any] = field(default_factory=dict)
    functions: dict[str, Any] = field(default_factory=dict)
    filled: list[str] = field(default_factory=list)
    """The materialized views that have rows, or had none to take."""
    path: list[str] = field(default_factory=list)
    """Where the login's sessions look for names without a schema."""
    publications: dict[str, Any] = field(default_factory=dict)
    buckets: dict[str, Any] = field(default_factory=dict)
    theirs: set[str] = field(default_factory=set)
    """The platform's schemas, those too that this project doesn't know."""
    left_schemas: list[str] = field(default_factory=list)
    """The schemas of which nothing is taken, not even a row policy."""
    path_of_extensions: list[str] = field(default_factory=list)
    """The schemas of the extensions, the platform's too."""
    unlisted: list[tuple[str, str]] = field(default_factory=list)
    """What has no list of privileges in the facts: as `grant` calls it, and its name."""
    access: list[str] = field(default_factory=list)
    """Statements that grant what is granted on those, and close them to all others."""
    triggers: list[dict[str, str]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What can't be declared, with the reason."""

    def is_of_platform(self, owner: str) -> bool:
        """Whether a role is the platform's, and not the login that the platform gives us."""
        of_platform = bool(self.platform.name) and re.fullmatch(self.platform.all_roles, owner) is not None
        return of_platform and owner != self.login

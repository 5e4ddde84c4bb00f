"""Where AWS is for a stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AwsEndpoint:
    """Where AWS is. Without a key, its library finds one, and without an endpoint the service's own address."""

    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the provider `aws` is given, beside its region."""

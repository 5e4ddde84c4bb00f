"""A checksum over everything that makes or changes an object of the database."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from declared import grants
from declared.roles import ROLES
from declared.schemas import EXTENSIONS, SCHEMAS
from declared.sqlfiles import SqlFiles


def of(sql: SqlFiles, published: Sequence[str]) -> str:
    """Another text as soon as anything declared is another one: migrations, policies, privileges, roles, schemas."""
    return digest(facts(sql, published))


def digest(facts: Mapping[str, Any]) -> str:
    """The same of facts that are read already."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def facts(sql: SqlFiles, published: Sequence[str]) -> dict[str, Any]:
    """What is declared, as JSON can hold it."""
    found: dict[str, Any] = {folder: sql.checksums(folder) for folder in sql.steps}
    found["policies"] = [asdict(policy) for policy in sql.policies]
    found["grants"] = [grants.SCHEMA_GRANTS, grants.DATABASE_GRANTS, grants.HISTORY_GRANTS, grants.GRANTS]
    extensions = {name: asdict(spec) for name, spec in EXTENSIONS.items()}
    # What a role may is in its attributes and memberships, its limits too.
    roles = {name: asdict(spec) for name, spec in ROLES.items()}
    found["structure"] = [SCHEMAS, extensions, sorted(published), roles]
    return found

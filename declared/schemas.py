"""The schemas with their owners, the extensions, and what is published of the tables. Facts only."""

from collections.abc import Mapping
from dataclasses import dataclass

from declared.roles import OWNER


@dataclass(frozen=True)
class ExtensionSpec:
    """Where an extension's objects lie, and which version it has; None is the server's own when it is made."""

    schema: str = "extensions"
    version: str | None = None


# Schema to owner. `public` is there from the start and stays its owner's.
SCHEMAS = {
    "extensions": OWNER,
    "statistics": OWNER,
    "auth": OWNER,
    "storage": "supabase_storage_admin",
    "next_auth": OWNER,
    "authjs": OWNER,
    "analytics": OWNER,
    "audit": OWNER,
    "private": OWNER,
    "ops": OWNER,
}
# What PostgreSQL lets everybody read there, who asks what how often, is behind a schema that the monitor alone uses.
EXTENSIONS: Mapping[str, ExtensionSpec] = {
    "pgcrypto": ExtensionSpec(),
    "pg_stat_statements": ExtensionSpec(schema="statistics"),
    "pg_trgm": ExtensionSpec(),
}
HISTORY_SCHEMA = "supabase_migrations"
# The Storage API brings its own migrations; what they add is its own affair.
PLATFORM = ("storage",)

# The publication that Supabase Realtime looks for, and its tables.
PUBLICATION = "supabase_realtime"
PUBLISHED = ("public.project_components", "public.projects", "public.prompt_generations")

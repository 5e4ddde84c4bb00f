"""The schemas with their owners, the extensions, and what is published of the tables. Facts only."""

from collections.abc import Mapping
from dataclasses import dataclass

from declared.platform import Platform
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
    "next_auth": OWNER,
    "authjs": OWNER,
    "analytics": OWNER,
    "audit": OWNER,
    "private": OWNER,
    "ops": OWNER,
    "storage": "supabase_storage_admin",
    "auth": OWNER,
    "realtime": OWNER,
}
# What PostgreSQL lets everybody read there, who asks what how often, is behind a schema that the monitor alone uses.
EXTENSIONS: Mapping[str, ExtensionSpec] = {
    "pgcrypto": ExtensionSpec(),
    "pg_stat_statements": ExtensionSpec(schema="statistics"),
    "pg_trgm": ExtensionSpec(),
}


def extensions_on(platform: Platform) -> dict[str, ExtensionSpec]:
    """The extensions that aren't the platform's."""
    return {name: spec for name, spec in EXTENSIONS.items() if name not in platform.extensions}


def schemas_on(platform: Platform) -> dict[str, str]:
    """Schema to owner, without those of the platform and those that would only hold an extension of its."""
    needed = {spec.schema for spec in extensions_on(platform).values()}
    of_others = {spec.schema for spec in EXTENSIONS.values()} - needed
    return {name: owner for name, owner in SCHEMAS.items() if name not in platform.schemas | of_others}


HISTORY_SCHEMA = "supabase_migrations"
# Where `./vpb archive restore` makes tables to be read: no manual change, but an undeclared schema to the audit.
ARCHIVED = "archived"
HISTORY_TABLE = f"{HISTORY_SCHEMA}.schema_migrations"
# A history is one table and three beside it, named like it.
HISTORY_SUFFIXES = ("", "_rolled_back", "_progress", "_incarnation")
# Beside the histories: who made which object, which no role but the one that provisions and backups may know.
HELD_TABLE = "managed_objects"
# Those with objects of ours, beside what extensions and the history of migrations bring.
_OF_EXTENSIONS = {each.schema for each in EXTENSIONS.values()}
WITH_OBJECTS = ("public", *(schema for schema in SCHEMAS if schema not in _OF_EXTENSIONS))
# What the API publishes, the first where a request names none; Auth.js' adapter for Supabase asks for the second.
EXPOSED = ("public", "next_auth")
# Named and shaped as Supabase's platform has them.
OF_SUPABASE = ("auth", "storage", "realtime")
# The Storage API and Realtime bring their own migrations; what they add is their own affair.
OPEN_SCHEMAS = ("storage", "realtime")

# What Realtime makes beside them, as patterns of the snapshot: it publishes messages to itself, a partition a day.
MADE_BY_REALTIME = ("publication supabase_realtime_messages_publication*", "table realtime.messages: partition *")

# The publication that Supabase Realtime looks for; its tables, and the columns where not all of them go out. Long texts
# don't, nor addresses: who hears of a change reads them through row security.
PUBLICATION = "supabase_realtime"
PUBLISHED = (
    "public.audio_recordings (id, project_id, created_by, title, bucket_id, object_path, mime_type, bytes, "
    "duration_ms, sample_rate, scan_status, scanned_at, created_at, updated_at)",
    "public.collaborators (id, project_id, user_id, role, invited_by, invited_at, expires_at, accepted_at, updated_at)",
    "public.project_components",
    "public.projects (id, owner_id, title, visibility, archived_at, created_at, updated_at)",
    "public.prompt_generations (id, project_id, created_by, provider, model, status, tokens_in, tokens_out, cost, "
    "latency_ms, created_at, updated_at, started_at, finished_at)",
)

"""What a platform has made before us, and goes on making: checked, never made, altered or dropped. Facts only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Platform:
    """What is there without us, and what that means for what is ours. One without a name brings nothing."""

    name: str = ""
    superuser: str = ""
    """The role by which a server of its is known, where no setting says it."""
    all_roles: str = ""
    """Its roles, those too that this project doesn't know, as a regular expression."""
    roles: frozenset[str] = frozenset()
    """Its roles, among those that this project knows."""
    schemas: frozenset[str] = frozenset()
    """Its schemas. In them only row policies, triggers and privileges of our roles are ours."""
    extensions: frozenset[str] = frozenset()
    """Its extensions in its schema `extensions`, there from the start."""
    objects: tuple[str, ...] = ()
    """What has to be there, as `pg:index:Given` writes it."""
    memberships: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Role of ours → the roles of the platform by which it reaches what it isn't granted."""
    schema_usage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Schema of the platform → the roles of ours that use it there, beside those that use it everywhere."""
    limits: tuple[str, ...] = ()
    """What can't be had there, each in one line for who makes a stack."""

    def owns(self, name: str) -> bool:
        """Whether a table or a function, with its schema, is the platform's."""
        return name.partition(".")[0] in self.schemas


NOTHING = Platform()
SUPABASE = Platform(
    name="supabase",
    superuser="supabase_admin",
    all_roles="anon|authenticated|service_role|authenticator|postgres|dashboard_user|pgbouncer|supabase_[a-z_]+",
    roles=frozenset({"anon", "authenticated", "service_role", "authenticator", "supabase_storage_admin"}),
    schemas=frozenset({"auth", "extensions", "realtime", "storage"}),
    extensions=frozenset({"pgcrypto", "pg_stat_statements", "uuid-ossp"}),
    objects=(
        *(f"role {role} of postgres" for role in ("anon", "authenticated", "service_role")),
        "role authenticator",
        "extension pgcrypto in extensions",
        "extension pg_stat_statements in extensions",
        "function auth.uid() returns uuid",
        "function auth.role() returns text",
        "function auth.email() returns text",
        "function auth.jwt() returns jsonb",
        "function storage.foldername(text) returns text[]",
        "function storage.filename(text) returns text",
        "function storage.extension(text) returns text",
        "function storage.operation() returns text",
        "function storage.allow_only_operation(text) returns boolean",
        "function storage.allow_any_operation(text[]) returns boolean",
        *(
            f"column storage.buckets.{column}"
            for column in ("id text", "name text", "public boolean", "file_size_limit bigint", "owner_id text")
        ),
        "column storage.buckets.allowed_mime_types text[]",
        *(
            f"column storage.objects.{column}"
            for column in (
                "id uuid",
                "bucket_id text",
                "name text",
                "owner_id text",
                "version text",
                "metadata jsonb",
                "user_metadata jsonb",
                "created_at timestamp with time zone",
                "updated_at timestamp with time zone",
            )
        ),
        "function realtime.topic() returns text",
        "function realtime.send(jsonb,text,text,boolean) returns void",
        *(f"column realtime.messages.{column} text" for column in ("topic", "extension", "event")),
        "column realtime.messages.payload jsonb",
        "row security realtime.messages",
        "row security storage.buckets",
        "row security storage.objects",
    ),
    # The login may not grant usage on schema auth, and who is asking is looked up there.
    memberships={"app_owner": ("anon with set false",)},
    # What each kind of statement costs is read there, the platform has put the extension there.
    schema_usage={"extensions": ("monitor",)},
    limits=(
        "the audit trigger on storage.buckets doesn't fire in sessions with session_replication_role = replica, which "
        "the platform lets `postgres` set: only the owner of a table may make one fire always",
        "what the platform grants on its tables stays: anon, authenticated and service_role have every privilege on "
        "storage.buckets and storage.objects, truncate among them; row policies say which rows they reach",
        "files are in the platform's store: no object bucket, CDN, alarms or logins of the API among the outputs; a "
        "bucket's retentionDays and cdn do nothing; commands of `./vpb` that work on S3 refuse",
        "`./vpb scan` doesn't read that store, and nobody reads a file before its scan is settled: a scanner of yours "
        "has to take and settle scans as the login of scanner_url",
    ),
)
PLATFORMS = (SUPABASE,)
# Whose superuser a server has.
RECOGNISED = "select rolname::text from pg_catalog.pg_roles where rolsuper"


def recognised(superusers: Iterable[str]) -> Platform:
    """The platform whose superuser a server has; for who has its address and no setting."""
    found = {*superusers}
    return next((platform for platform in PLATFORMS if platform.superuser in found), NOTHING)

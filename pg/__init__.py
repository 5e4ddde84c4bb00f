"""The program's view of the provider `pg`: one class per resource type; a test holds them equal to the schema.

Arguments are keyword-only and carry the schema's names; the provider checks them and says what is wrong.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input


class Provider(pulumi.ProviderResource):
    """Where the server is and who we are there, as a connection URL; `lockTimeout` in PostgreSQL's notation.

    With `password_secret` the URL has no password: Secrets Manager of AWS has it, and the plugin fetches it.
    """

    def __init__(
        self,
        name: str,
        *,
        url: Input[str],
        lock_timeout: Input[str],
        password_secret: Input[str] | None = None,
        secrets_endpoint: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["url"])
        arguments = {
            "url": pulumi.Output.secret(url),
            "lockTimeout": lock_timeout,
            "passwordSecret": password_secret,
            "secretsEndpoint": secrets_endpoint,
        }
        super().__init__("pg", name, arguments, pulumi.ResourceOptions.merge(secret, opts))


class _Resource(pulumi.CustomResource):
    """A resource whose outputs are declared as annotations by its class, with those inputs that are read back."""

    def __init__(self, name: str, values: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
        outputs = dict.fromkeys(inspect.get_annotations(type(self)))
        super().__init__(f"pg:index:{type(self).__name__}", name, {**outputs, **values}, opts)


class Password(_Resource):
    """A generated password and its SCRAM verifier; another `rotation` makes a new one."""

    password: pulumi.Output[str]
    verifier: pulumi.Output[str]

    def __init__(self, name: str, *, rotation: Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"rotation": rotation}, opts)


class KeyPair(_Resource):
    """A generated RSA key pair in PEM; another name makes another pair."""

    privateKey: pulumi.Output[str]
    publicKey: pulumi.Output[str]

    def __init__(self, name: str, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {}, opts)


class SealingKeyPair(_Resource):
    """A generated OpenPGP key pair, as pgcrypto reads it; another name makes another pair."""

    privateKey: pulumi.Output[str]
    publicKey: pulumi.Output[str]

    def __init__(self, name: str, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {}, opts)


class Role(_Resource):
    """A role; attributes that aren't named are off, except for `inherit`."""

    bypasses: pulumi.Output[bool]

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        login: Input[bool] = False,
        inherit: Input[bool] = True,
        createrole: Input[bool] = False,
        createdb: Input[bool] = False,
        replication: Input[bool] = False,
        bypassrls: Input[bool] = False,
        superuser: Input[bool] = False,
        limit: Input[int] = -1,
        expires: Input[str] | None = None,
        settings: Input[Mapping[str, str]] | None = None,
        verifier: Input[str] | None = None,
        comment: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class Memberships(_Resource):
    """All roles that a role is a member of, and all that are members of it."""

    def __init__(
        self,
        resource_name: str,
        *,
        role: str,
        groups: Sequence[str],
        members: Sequence[str] | None = None,
        acts: Input[bool] = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class Given(_Resource):
    """What a platform has made and the project stands on; looked at, never changed."""

    def __init__(
        self,
        resource_name: str,
        *,
        by: str,
        objects: Sequence[str],
        limits: Sequence[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class HostedProject(_Resource):
    """What a management API sets of the project that hosts the database; what isn't given stays as it is there."""

    recovery: pulumi.Output[bool]
    legacy: pulumi.Output[bool]

    def __init__(
        self,
        resource_name: str,
        *,
        reference: str,
        networks: Sequence[str] | None = None,
        ssl: bool | None = None,
        poolSize: int | None = None,
        poolMode: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class Schema(_Resource):
    """A schema and its owner; it isn't dropped while it holds anything."""

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        owner: str,
        comment: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class Extension(_Resource):
    """An extension in its schema; another `version` updates it."""

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        schema: str,
        version: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class DefaultPrivileges(_Resource):
    """What others may do with objects that a role will make, role to privileges: the whole list."""

    def __init__(
        self,
        resource_name: str,
        *,
        role: str,
        objects: str,
        grants: Mapping[str, Sequence[str]],
        schema: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class MigrationSet(_Resource):
    """The numbered migrations of a folder, migration to checksum."""

    database: pulumi.Output[str]
    applied: pulumi.Output[Mapping[str, str]]
    incarnation: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        folder: str,
        steps: Mapping[str, str],
        history: Input[str] | None = None,
        role: Input[str] | None = None,
        protect: Input[bool] = False,
        allow: Sequence[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class RowSecurity(_Resource):
    """Row security of one table, with the authoritative list of its policies."""

    def __init__(
        self,
        resource_name: str,
        *,
        table: str,
        policies: Sequence[str],
        open: Input[bool] = False,
        enabled: Input[bool] = True,
        forced: Input[bool] = True,
        left: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class Policy(_Resource):
    """One row policy."""

    usingStored: pulumi.Output[str]
    checkStored: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        table: str,
        name: str,
        command: str,
        roles: Sequence[str],
        kind: str = "permissive",
        using: str | None = None,
        check: str | None = None,
        comment: str | None = None,
        location: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class Grants(_Resource):
    """All grants on one object, role to privileges."""

    def __init__(
        self,
        resource_name: str,
        *,
        kind: str,
        name: Input[str],
        grants: Mapping[str, Sequence[str]],
        among: Sequence[str] | None = None,
        location: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class FunctionGrants(_Resource):
    """Who may execute the functions of a schema, each an authoritative list."""

    def __init__(
        self,
        resource_name: str,
        *,
        schema: str,
        functions: Mapping[str, Mapping[str, Sequence[str]]],
        open: Input[bool] = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class Bucket(_Resource):
    """A row of `storage.buckets`; the limit is in bytes."""

    def __init__(
        self,
        resource_name: str,
        *,
        bucket: str,
        public: Input[bool] = False,
        fileSizeLimit: Input[int] | None = None,
        allowedMimeTypes: Input[Sequence[str]] | None = None,
        columns: Input[Mapping[str, str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class Publication(_Resource):
    """A publication: all that it publishes, and nothing else."""

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        tables: Sequence[str],
        operations: Sequence[str] | None = None,
        schemas: Sequence[str] | None = None,
        root: Input[bool] = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class ScheduledJob(_Resource):
    """A statement that pg_cron runs in this database, as the login that provisions."""

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        schedule: str,
        command: str,
        active: Input[bool] = True,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class SealingKeys(_Resource):
    """The public keys that a database seals values with; the first one of `order` seals."""

    def __init__(
        self,
        resource_name: str,
        *,
        table: str,
        order: Sequence[str],
        publicKeys: Mapping[str, Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class Settings(_Resource):
    """What functions of the database go by: all rows of a table, each value as a JSON text."""

    def __init__(
        self,
        resource_name: str,
        *,
        table: str,
        values: Mapping[str, Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class BucketGuard(_Resource):
    """Refuses a change of buckets that reaches the files in them, before anything is changed."""

    def __init__(
        self,
        resource_name: str,
        *,
        buckets: Mapping[str, Mapping[str, Any]],
        allow: Sequence[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class DrillGate(_Resource):
    """Says where the last restore drill that passed is too old, and refuses then what destroys data."""

    def __init__(
        self,
        resource_name: str,
        *,
        within: int,
        destructive: Sequence[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class SchemaSnapshot(_Resource):
    """The definition of every object in the managed schemas, and what was changed manually since."""

    database: pulumi.Output[str]
    drift: pulumi.Output[Mapping[str, Mapping[str, str]]]

    def __init__(
        self,
        resource_name: str,
        *,
        name: str,
        schemas: Sequence[str],
        open: Sequence[str] | None = None,
        held: Sequence[str] | None = None,
        platform: Sequence[str] | None = None,
        left: Mapping[str, str] | None = None,
        accept: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


class SchemaCheckpoint(_Resource):
    """The end of a run: what it has made is in the snapshot."""

    of: pulumi.Output[str]
    record: pulumi.Output[Mapping[str, Any]]
    at: pulumi.Output[str]
    by: pulumi.Output[str]
    forced: pulumi.Output[Mapping[str, Any]]

    def __init__(
        self,
        resource_name: str,
        *,
        snapshot: str,
        of: str,
        record: Mapping[str, Any] | None = None,
        resources: int | None = None,
        unpromoted: Input[Mapping[str, Any] | None] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, _given(locals()), opts)


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A constructor's arguments as properties: without `self`, the resource's own name and what wasn't given."""
    own = {"self", "resource_name", "opts", "__class__"}
    return {name: value for name, value in arguments.items() if name not in own and value is not None}

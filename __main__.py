"""The database of Visual Prompt Builder: what an environment is made of, and what it gives to others."""

import pulumi
import pulumi_aws
import pulumi_postgresql

import pg
from components import (
    Access,
    AccessArgs,
    Realtime,
    RealtimeArgs,
    Roles,
    RolesArgs,
    Server,
    ServerArgs,
    Snapshot,
    SnapshotArgs,
    Storage,
    StorageArgs,
    Structure,
    StructureArgs,
)
from local import objects
from settings import Settings

settings = Settings.load()
stack = pulumi.get_stack()

server = Server("server", ServerArgs(stack=stack, url=settings.url))
database = pg.Provider("pg", **server.login, user=server.user, lock_timeout=settings.lock_timeout)
postgresql = pulumi_postgresql.Provider(
    "postgresql", **server.login, username=server.user, sslmode="disable", superuser=True
)
aws = pulumi_aws.Provider(
    "aws",
    region=settings.region,
    access_key=server.aws.access_key,
    secret_key=server.aws.secret_key,
    endpoints=[{"s3": server.aws.endpoint, "sts": server.aws.endpoint}],
    s3_use_path_style=True,
    skip_credentials_validation=True,
    skip_metadata_api_check=True,
    skip_requesting_account_id=True,
)
providers = pulumi.ResourceOptions(providers={"pg": database, "postgresql": postgresql, "aws": aws})


def after(*components: pulumi.Resource) -> pulumi.ResourceOptions:
    """The options of a component that stands on others."""
    return pulumi.ResourceOptions.merge(providers, pulumi.ResourceOptions(depends_on=list(components)))


roles = Roles("roles", RolesArgs(rotation=settings.rotation), providers)
structure = Structure("structure", StructureArgs(database=server.database, **settings.protection), after(roles))
access = Access("access", AccessArgs(database=server.database), after(structure))
object_bucket = f"visual-prompt-builder-{stack}-objects"
storage = Storage(
    "storage",
    StorageArgs(
        object_bucket=object_bucket,
        buckets=settings.buckets,
        disposable=settings.target == "local",
        adopt=objects.bucket_exists(server.aws.endpoint, object_bucket),
    ),
    after(structure),
)
published = ("public.project_components", "public.projects", "public.prompt_generations")
realtime = Realtime("realtime", RealtimeArgs(tables=published), after(structure))
everything = after(roles, structure, access, storage, realtime)
Snapshot("snapshot", SnapshotArgs(published=published, accept=settings.accept_drift), everything)

pulumi.export("admin_url", server.connection(server.user, server.password))
logins = {"api_url": "authenticator", "auth_url": "authjs", "monitor_url": "monitor", "scanner_url": "scanner"}
for output, role in logins.items():
    pulumi.export(output, server.connection(role, roles.passwords[role]))
pulumi.export("storage_buckets", {bucket.id: bucket.exported for bucket in settings.buckets})
pulumi.export("object_bucket", storage.object_bucket)
pulumi.export("s3_endpoint", server.aws.endpoint)

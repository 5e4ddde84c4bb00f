"""The database of Visual Prompt Builder: what an environment is made of, and what it gives to others."""

import pulumi
import pulumi_postgresql

import pg
from components import sqlsource
from components.access import Access, AccessArgs
from components.alarms import Alarms, AlarmsArgs
from components.awsprovider import aws_provider
from components.base import after, settled
from components.encryption import Encryption, EncryptionArgs
from components.guardrail import Guardrail
from components.realtime import PUBLISHED, Realtime, RealtimeArgs
from components.roles import Roles, RolesArgs
from components.rolespecs import URLS
from components.server import Server, ServerArgs
from components.snapshot import Snapshot, SnapshotArgs
from components.storage import Storage, StorageArgs
from components.structure import Structure, StructureArgs
from local import objects
from settings import Settings

settings = Settings.load()
sql = sqlsource.read()
guardrail = Guardrail()
stack = pulumi.get_stack()

server = Server("server", ServerArgs(stack=stack, url=settings.url))
database = pg.Provider("pg", **server.login, user=server.user, lock_timeout=settings.lock_timeout)
postgresql = pulumi_postgresql.Provider(
    "postgresql", **server.login, username=server.user, sslmode="disable", superuser=True
)
aws = aws_provider("aws", settings.region, server.aws)
providers = pulumi.ResourceOptions(providers={"pg": database, "postgresql": postgresql, "aws": aws})

roles = Roles("roles", RolesArgs(rotation=settings.rotation), providers)
structure = Structure(
    "structure", StructureArgs(database=server.database, sql=sql, **settings.protection), after(providers, roles)
)
access = Access("access", AccessArgs(database=server.database, policies=sql.policies), after(providers, structure))
encryption = Encryption("encryption", EncryptionArgs(keys=settings.encryption_keys), after(providers, access))
alarms = Alarms("alarms", AlarmsArgs(stack=stack, **settings.alarms), providers)
names = {use: f"visual-prompt-builder-{stack}-{use}" for use in ("objects", "logs")}
storage = Storage(
    "storage",
    StorageArgs(
        object_bucket=names["objects"],
        log_bucket=names["logs"],
        region=settings.region,
        buckets=settings.buckets,
        cors_origins=settings.cors_origins,
        cdn_keys=settings.cdn_keys,
        scanning=settings.scanning,
        alarms=alarms,
        disposable=settings.disposable,
        adopt=objects.existing(server.aws.endpoint, names.values()),
        rows_after=access.last,
    ),
    providers,
)
realtime = Realtime("realtime", RealtimeArgs(tables=PUBLISHED), after(providers, structure))
everything = after(providers, access, encryption, storage, realtime)
snapshot = Snapshot("snapshot", SnapshotArgs(sql=sql, published=PUBLISHED, accept=settings.accept_drift), everything)

pulumi.export("admin_url", server.connection(server.user, server.password))
# Auth.js' login alone opens what is sealed.
sessions = {"authjs": encryption.session}
for output, role in URLS.items():
    pulumi.export(output, server.connection(role, roles.passwords[role], sessions.get(role, "")))
pulumi.export("s3_endpoint", server.aws.endpoint)
pulumi.export("alarm_topic_arn", alarms.topic)
for output, value in {**settings.exported, **storage.exports}.items():
    pulumi.export(output, value)

pulumi.run(lambda: settled(snapshot))
guardrail.check()

"""The database of Visual Prompt Builder: what an environment is made of, and what it gives to others."""

import pulumi
import pulumi_aws

import pg
from components import inputs
from components.access import Access, AccessArgs
from components.alarms import Alarms, AlarmsArgs
from components.base import after, wait_for
from components.encryption import Encryption, EncryptionArgs
from components.guardrail import Guardrail
from components.realtime import Realtime, RealtimeArgs
from components.roles import Roles, RolesArgs
from components.server import Server, ServerArgs
from components.snapshot import Checkpoint, CheckpointArgs, Snapshot, SnapshotArgs
from components.storage import Storage, StorageArgs
from components.storedsettings import StoredSettings, StoredSettingsArgs
from components.structure import Structure, StructureArgs
from declared.roles import URLS
from declared.schemas import PUBLICATION, PUBLISHED

stack = inputs.stack()
settings = inputs.settings()
target = inputs.target(settings)
sql = inputs.sql()
keep = settings.protected(target.disposable)
guardrail = Guardrail()

store = target.aws(stack)
found = inputs.found(target, settings, stack)
tags = {"Project": "visual-prompt-builder", "Stack": stack}
wanted = inputs.wanted(target, settings, found, tags)
server = Server("server", ServerArgs(stack=stack, target=target, wanted=wanted, url=settings.url))
database = pg.Provider("pg", url=server.url, lock_timeout=settings.lock_timeout, **server.fetched)
snapshot_args = SnapshotArgs(sql=sql, publication=PUBLICATION, buckets=settings.buckets, **settings.accepted)
snapshot = Snapshot("snapshot", snapshot_args, pulumi.ResourceOptions(providers={"pg": database}))
# What is refused there is refused before anything at AWS is changed.
first = pulumi.ResourceOptions(depends_on=snapshot.final)
aws = pulumi_aws.Provider(
    "aws",
    region=settings.region,
    default_tags={"tags": tags},
    allowed_account_ids=list(settings.account_ids) or None,
    **store.arguments,
    opts=first,
)
providers = pulumi.ResourceOptions(providers={"pg": database, "aws": aws})
roles = Roles("roles", RolesArgs(passwords=settings.passwords), after(providers, snapshot))
structure = Structure(
    "structure",
    StructureArgs(database=server.database, sql=sql, **settings.protection(server.disposable, keep)),
    after(providers, roles),
)
access = Access("access", AccessArgs(database=server.database, policies=sql.policies), after(providers, structure))
encryption = Encryption(
    "encryption", EncryptionArgs(keys=settings.encryption_keys, keep=keep), after(providers, access)
)
stored = StoredSettings("stored", StoredSettingsArgs(values=settings.stored), after(providers, access))
alarms = Alarms(
    "alarms",
    AlarmsArgs(found=found, region=settings.region, emails=settings.alarm_emails, disposable=target.disposable),
    providers,
)
storage = Storage(
    "storage",
    StorageArgs(
        found=found,
        region=settings.region,
        buckets=settings.buckets,
        cors_origins=settings.cors_origins,
        cdn_keys=settings.cdn_keys,
        scanning=settings.scanning,
        role_trust=settings.role_trust,
        alarms=alarms,
        disposable=target.disposable,
        keep=keep,
        rows_after=access.final,
    ),
    providers,
)
realtime = Realtime("realtime", RealtimeArgs(tables=PUBLISHED), after(providers, structure))
everything = after(providers, access, encryption, stored, storage, realtime)
checkpoint = Checkpoint("checkpoint", CheckpointArgs(sql=sql, published=PUBLISHED), everything)

pulumi.export("admin_url", server.connection(server.user, server.password))
# Auth.js' login alone opens what is sealed.
sessions = {"authjs": encryption.session}
for output, role in URLS.items():
    pulumi.export(output, server.connection(*roles.current[role], sessions.get(role, "")))
pulumi.export("s3_endpoint", store.endpoint)
pulumi.export("alarm_topic_arn", alarms.topic)
for output, value in {**settings.exported, **storage.exports, **server.exports}.items():
    pulumi.export(output, value)

pulumi.run(lambda: wait_for(checkpoint))
guardrail.check()

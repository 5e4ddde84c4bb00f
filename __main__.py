"""The database of Visual Prompt Builder: what an environment is made of, and what it gives to others."""

import pulumi
import pulumi_aws

import pg
from components import inputs
from components.access import Access, AccessArgs
from components.alarms import Alarms, AlarmsArgs
from components.base import after, wait_for
from components.buckets import Buckets, BucketsArgs
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

server = Server("server", ServerArgs(stack=stack, target=target, url=settings.url))
database = pg.Provider("pg", url=server.url, lock_timeout=settings.lock_timeout)
found = inputs.found(target, settings, stack)
platform = target.platform
snapshot_args = SnapshotArgs(
    sql=sql, publication=PUBLICATION, buckets=settings.buckets, platform=platform, **settings.accepted
)
snapshot = Snapshot("snapshot", snapshot_args, pulumi.ResourceOptions(providers={"pg": database}))
plugins: dict[str, pulumi.ProviderResource] = {"pg": database}
if found is not None:
    store = target.aws(stack)
    # What is refused there is refused before anything at AWS is changed.
    first = pulumi.ResourceOptions(depends_on=snapshot.final)
    tags = {"tags": {"Project": "visual-prompt-builder", "Stack": stack}}
    plugins["aws"] = pulumi_aws.Provider(
        "aws", region=settings.region, default_tags=tags, **store.arguments, opts=first
    )
providers = pulumi.ResourceOptions(providers=plugins)
roles = Roles("roles", RolesArgs(passwords=settings.passwords, platform=platform), after(providers, snapshot))
structure = Structure(
    "structure",
    StructureArgs(
        database=server.database, sql=sql, platform=platform, **settings.protection(server.disposable, keep)
    ),
    after(providers, roles),
)
access = Access(
    "access",
    AccessArgs(database=server.database, policies=sql.policies, platform=platform),
    after(providers, structure),
)
encryption = Encryption(
    "encryption", EncryptionArgs(keys=settings.encryption_keys, keep=keep), after(providers, access)
)
stored = StoredSettings("stored", StoredSettingsArgs(values=settings.stored), after(providers, access))
if found is None:
    buckets: Buckets | Storage = Buckets("storage", BucketsArgs(buckets=settings.buckets), after(providers, access))
else:
    alarms = Alarms(
        "alarms",
        AlarmsArgs(found=found, region=settings.region, emails=settings.alarm_emails, disposable=target.disposable),
        providers,
    )
    buckets = storage = Storage(
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
    pulumi.export("s3_endpoint", store.endpoint)
    pulumi.export("alarm_topic_arn", alarms.topic)
    for output, value in storage.exports.items():
        pulumi.export(output, value)
realtime = Realtime("realtime", RealtimeArgs(tables=PUBLISHED), after(providers, structure))
everything = after(providers, access, encryption, stored, buckets, realtime)
checkpoint = Checkpoint("checkpoint", CheckpointArgs(sql=sql, published=PUBLISHED), everything)

pulumi.export("admin_url", server.connection(server.user, server.password))
# Auth.js' login alone opens what is sealed.
sessions = {"authjs": encryption.session}
for output, role in URLS.items():
    # The logins of a platform's own API are its affair.
    if role in roles.current:
        pulumi.export(output, server.connection(*roles.current[role], sessions.get(role, "")))
for output, value in settings.exported.items():
    pulumi.export(output, value)

pulumi.run(lambda: wait_for(checkpoint))
guardrail.check()

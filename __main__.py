"""The database of Visual Prompt Builder: what an environment is made of, and what it gives to others."""

import pulumi

import pg
from components import files, hosted, inputs, maintenance
from components.access import Access, AccessArgs
from components.adopted import AdoptedDatabase, AdoptedDatabaseArgs
from components.base import Component, after, silence_debug, wait_for
from components.dataguard import DataGuard
from components.encryption import Encryption, EncryptionArgs
from components.guardrail import Guardrail
from components.promotion import OUTPUT, Promotion
from components.realtime import Realtime, RealtimeArgs
from components.roles import Roles, RolesArgs
from components.server import Server, ServerArgs
from components.snapshot import Checkpoint, CheckpointArgs, Snapshot, SnapshotArgs
from components.storedsettings import StoredSettings, StoredSettingsArgs
from components.structure import Structure, StructureArgs
from declared import promotion
from declared.schemas import PUBLICATION, PUBLISHED

silence_debug()
stack = inputs.stack()
settings = inputs.settings()
target = inputs.target(settings)
sql = inputs.sql()
adopted = inputs.adopted(settings)
keep = settings.protected(target.disposable)
guardrail = Guardrail()
DataGuard(keep, settings.allow)

found = inputs.found(target, settings, stack)
tags = {"Project": "visual-prompt-builder", "Stack": stack}
wanted = inputs.wanted(target, settings, found, tags)
server = Server("server", ServerArgs(stack=stack, target=target, wanted=wanted, url=settings.url))
deployed = promotion.record(sql, PUBLISHED)
gate = Promotion(settings.promoted_from, deployed, settings.permission(promotion.UNPROMOTED))
database = pg.Provider("pg", url=gate.gated(server.url), lock_timeout=settings.lock_timeout, **server.fetched)
platform = target.platform
pulumi.export("admin_url", server.connection(server.user, server.password))
if adopted:
    # Not the app's database but one that was there before.
    there = AdoptedDatabaseArgs(
        database=adopted,
        standin=inputs.standin(adopted, platform),
        goes_with=server if server.disposable else None,
        accept=settings.accept_drift,
        **settings.protection(server.disposable),
    )
    last: Component = AdoptedDatabase("adopted", there, pulumi.ResourceOptions(providers={"pg": database}))
else:
    snapshot_args = SnapshotArgs(
        sql=sql, publication=PUBLICATION, buckets=settings.buckets, platform=platform, **settings.accepted(keep)
    )
    snapshot = Snapshot("snapshot", snapshot_args, pulumi.ResourceOptions(providers={"pg": database}))
    # What is refused there is refused before anything at AWS is changed.
    first = pulumi.ResourceOptions(depends_on=snapshot.final)
    providers = files.plugins(target, settings, stack, database, tags, first)
    roles = Roles("roles", RolesArgs(passwords=settings.passwords, platform=platform), after(providers, snapshot))
    structure = Structure(
        "structure",
        StructureArgs(database=server.database, sql=sql, platform=platform, **settings.protection(server.disposable)),
        after(providers, roles),
    )
    access = Access(
        "access",
        AccessArgs(database=server.database, policies=sql.policies, platform=platform),
        after(providers, structure),
    )
    encryption = Encryption("encryption", EncryptionArgs(keys=settings.encryption_keys), after(providers, access))
    stored = StoredSettings("stored", StoredSettingsArgs(values=settings.stored), after(providers, access))
    stored_files = files.declare(found, target, settings, stack, access, stored, providers)
    server.watch(stored_files.topic, settings.thresholds, roles.open)
    realtime = Realtime("realtime", RealtimeArgs(tables=PUBLISHED), after(providers, structure))
    kept_up = maintenance.declare(settings.jobs, after(providers, access, stored))
    everything = after(providers, access, encryption, stored, stored_files.rows, realtime, *kept_up)
    ended = CheckpointArgs(record=deployed, resources=gate.resources, unpromoted=gate.forced)
    last = checkpoint = Checkpoint("checkpoint", ended, everything)

    pulumi.export(OUTPUT, checkpoint.brought_to)
    # Auth.js' login alone opens what is sealed.
    sessions = {"authjs": encryption.session}
    urls = server.urls(roles.current, roles.pooled, sessions)
    for output, value in {**urls, **settings.exported, **stored_files.exports, **server.exports}.items():
        pulumi.export(output, value)

last = hosted.declare(settings.project, database, last)
pulumi.run(lambda: wait_for(last))
guardrail.check()

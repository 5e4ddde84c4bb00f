"""Where files are: in buckets of ours at AWS with what stands around them, or in a platform's own store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws

from components.access import Access
from components.alarms import Alarms, AlarmsArgs
from components.backups import Backups, BackupsArgs
from components.base import after
from components.buckets import Buckets, BucketsArgs
from components.storage import Storage, StorageArgs
from components.storedsettings import StoredSettings
from declared.settings import Settings
from targets import Target
from targets.found import Found


@dataclass(frozen=True)
class Files:
    """What is declared of them."""

    rows: Buckets | Storage
    """The component with the rows of `storage.buckets`."""
    exports: Mapping[str, pulumi.Input[Any]]
    """By the names of the stack's outputs."""
    topic: pulumi.Output[str] | None = None
    """What hears of alarms."""


def plugins(
    target: Target,
    settings: Settings,
    stack: str,
    database: pulumi.ProviderResource,
    tags: Mapping[str, str],
    first: pulumi.ResourceOptions,
) -> pulumi.ResourceOptions:
    """The plugins that the components are served by.

    Args:
        tags: of everything at AWS.
        first: what comes before anything there is changed.
    """
    if not target.can.object_store:
        return pulumi.ResourceOptions(providers=[database])
    aws = pulumi_aws.Provider(
        "aws",
        region=settings.region,
        default_tags={"tags": tags},
        allowed_account_ids=list(settings.account_ids) or None,
        **target.aws(stack).arguments,
        opts=first,
    )
    return pulumi.ResourceOptions(providers=[database, aws])


def declare(
    found: Found | None,
    target: Target,
    settings: Settings,
    stack: str,
    access: Access,
    stored: StoredSettings,
    providers: pulumi.ResourceOptions,
) -> Files:
    """The buckets after the access to them; at AWS also the alarms."""
    if found is None:
        return Files(Buckets("storage", BucketsArgs(buckets=settings.buckets), after(providers, access)), {})
    alarms = Alarms(
        "alarms",
        AlarmsArgs(
            found=found,
            region=settings.region,
            emails=settings.alarm_emails,
            disposable=target.disposable,
            servers=target.can.make_server and not settings.url,
        ),
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
            backup_days=max(settings.backups.retention.values()) if settings.backups else 0,
            disposable=target.disposable,
            rows_after=access.final,
            cdn_after=stored.final,
        ),
        providers,
    )
    backups = _backups(found, target, settings, storage, alarms, providers) if settings.backups else {}
    more = {"s3_endpoint": target.aws(stack).endpoint, "alarm_topic_arn": alarms.topic}
    return Files(storage, {**more, **storage.exports, **backups}, alarms.topic)


def _backups(
    found: Found,
    target: Target,
    settings: Settings,
    storage: Storage,
    alarms: Alarms,
    providers: pulumi.ResourceOptions,
) -> Mapping[str, pulumi.Input[Any]]:
    """Where backups go, as outputs."""
    assert settings.backups
    args = BackupsArgs(
        settings=settings.backups,
        found=found,
        account=storage.account,
        region=settings.region,
        alarms=alarms,
        objects=storage.objects,
        trust=settings.role_trust,
        vault=found.names.vault if target.can.make_server and not settings.url else None,
        disposable=target.disposable,
    )
    return Backups("backups", args, providers).exports

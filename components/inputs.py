"""What the program is given: the stack's name, its settings, the files in `sql/`. A fault is one line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pulumi
import pulumi.runtime.config

import targets
from declared import adopted as adoption
from declared import connectionurl, hostedproject, naming, sqlfiles
from declared.adopted import Adopted
from declared.backups import BackupSettings
from declared.errors import UserError
from declared.naming import NAMESPACE
from declared.objectlayout import GUARDDUTY
from declared.paths import CHECKOUT
from declared.platform import Platform
from declared.serversettings import NAMESPACE as SERVER
from declared.serversettings import ServerSettings
from declared.settings import SettingError, Settings
from declared.sqlfiles import STANDIN, SqlFiles
from targets import Target, Wanted
from targets import found as at_aws

Read = TypeVar("Read")
# What a permission to replace the server names.
SERVERS = ("server-rds-instance", "server-aurora-cluster")


class InputRefused(pulumi.RunError):
    """Something that can't be used; Pulumi shows the line alone."""


def stack() -> str:
    """The stack that is being run.

    :raises InputRefused: where its name can't become a part of other names
    """
    return _checked(lambda: naming.stack(pulumi.get_stack()))


def settings() -> Settings:
    """The settings of the stack that is being run.

    :raises InputRefused: for the first key that can't be used
    """
    given = _given(NAMESPACE)
    secrets = [key for key in given if pulumi.runtime.config.is_config_secret(f"{NAMESPACE}:{key}")]
    return _checked(lambda: Settings.load(given, secrets))


def _given(namespace: str) -> dict[str, str]:
    config, prefix = pulumi.runtime.config, f"{namespace}:"
    return {
        name.removeprefix(prefix): str(value)
        for name, value in (config.CONFIG.get() | config.get_config_env()).items()
        if name.startswith(prefix)
    }


def target(settings: Settings) -> Target:
    """Where the stack lives.

    :raises InputRefused: for a target that isn't built, or that can't do what a setting asks for
    """
    found = _checked(lambda: targets.of(settings.target, settings.offline))
    if settings.scanning == GUARDDUTY and not found.can.guardduty:
        allowed = f"clamav where database:target is {found.name}: GuardDuty scans on aws only"
        raise InputRefused(str(SettingError("scanning", settings.scanning, allowed)))
    if settings.backups and settings.backups.second_region == settings.region:
        allowed = f"another region than database:region, {settings.region}"
        raise InputRefused(str(SettingError("backups.secondRegion", settings.region, allowed)))
    if settings.api and (settings.adopted or not found.can.serve_api):
        where = "database:adopted is set" if settings.adopted else f"database:target is {found.name}"
        allowed = f"empty where {where}: the API is started on this machine, for the app's own database"
        raise InputRefused(str(SettingError("api", "true", allowed)))
    if not found.can.object_store:
        _refuse_unused(settings, found)
    if settings.url:
        given = connectionurl.parse(settings.url)
        _checked(lambda: found.reach(given))
    if settings.project is not None:
        _refuse_project(settings, found)
    return found


def _refuse_project(settings: Settings, target: Target) -> None:
    """
    :raises InputRefused: where there is no such project, and where the database is another one's
    """
    assert settings.project is not None
    if not target.can.hosted_project:
        allowed = f"empty where database:target is {target.name}, where no project is hosted"
        raise InputRefused(str(SettingError("project", settings.project.declared, allowed)))
    host = connectionurl.parse(settings.url)["host"] if settings.url else ""
    for other in sorted(hostedproject.references(host) - {settings.project.reference}):
        raise InputRefused(
            f"setting database:project names project {settings.project.reference}, and database:url leads to project "
            f"{other}: nothing was changed; make both the same"
        )


def _refuse_unused(settings: Settings, target: Target) -> None:
    """
    :raises InputRefused: for a setting whose value nothing would go by, where files aren't at AWS
    """
    unused: dict[str, object] = {"alarmEmails": settings.alarm_emails, "roleTrust": settings.role_trust}
    unused |= {"backups": settings.backups and {"retention": dict(settings.backups.retention)}}
    for key, value in unused.items():
        if value:
            allowed = f"empty where database:target is {target.name}, which has nothing at AWS"
            raise InputRefused(str(SettingError(key, value, allowed)))


def found(target: Target, settings: Settings, stack: str) -> at_aws.Found | None:
    """What the stack has at AWS already; None where files aren't there.

    :raises InputRefused: for what can't be taken over, and for an account that isn't the stack's, or that nothing says
    """
    if not target.can.object_store:
        return None
    lasting = target.can.make_server and not settings.offline and settings.protected(target.disposable)
    if lasting and not settings.account_ids:
        allowed = 'one account at least, such as ["123456789012"], where data is kept at AWS'
        raise InputRefused(str(SettingError("accountIds", [], allowed)))
    vaults = settings.backups if target.can.make_server and not settings.url else None
    second = vaults.second_region if vaults else None
    there = _checked(lambda: at_aws.look(target.aws(stack), settings.region, stack, second))
    if settings.account_ids and there.names.account not in settings.account_ids:
        raise InputRefused(
            f"the credentials are of account {there.names.account}, and setting database:accountIds allows "
            f"{', '.join(settings.account_ids)}: nothing was changed; use the credentials of the stack's account"
        )
    return there


def wanted(target: Target, settings: Settings, there: at_aws.Found | None, tags: Mapping[str, str]) -> Wanted | None:
    """What a server of the target's own is to be; None where nothing is made at AWS.

    :raises InputRefused: for the first setting that can't be used, or that nobody reads
    """
    given = _given(SERVER)
    server = _checked(lambda: ServerSettings.load(given))
    made = target.can.make_server and not settings.url
    if given and not made:
        raise InputRefused(f"setting {SERVER}:{min(given)} is read by nobody: this stack's server isn't made here")
    if made and not settings.offline:
        _refuse_unreachable(server)
    if made and settings.backups:
        _refuse_missed(settings.backups, server)
    if there is None:
        return None
    return Wanted(
        settings=server,
        region=settings.region,
        tags=tags,
        account_ids=settings.account_ids,
        found=there,
        keep=settings.protected(target.disposable),
        backups=settings.backups,
        cron=settings.maintenance.in_database,
        replaced=any(each.what in SERVERS and not each.expired for each in settings.allow),
    )


def _refuse_missed(backups: BackupSettings, server: ServerSettings) -> None:
    """
    :raises InputRefused: where AWS Backup would make none on the day on which RDS may restart the server
    """
    minute, hour = backups.schedule
    if not server.backs_up_at(hour * 60 + minute):
        allowed = (
            f"a time that isn't within {SERVER}:maintenanceWindow, {server.maintenance_window}, or the hour before"
        )
        raise InputRefused(str(SettingError("backups.schedule", f"{minute} {hour} * * *", allowed)))


def _refuse_unreachable(server: ServerSettings) -> None:
    if server.endpoint:
        raise InputRefused(
            f"setting {SERVER}:endpoint is allowed with database:offline only: AWS says where its server is"
        )
    if not Path(server.root_certificate).exists():
        raise InputRefused(
            f"setting {SERVER}:rootCertificate is {server.root_certificate!r}, and there is no such file: download "
            "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem to there"
        )


def sql() -> SqlFiles:
    """All of `sql/`, read once and whole.

    :raises InputRefused: for the first file that can't be used
    """
    return _checked(sqlfiles.read)


def adopted(settings: Settings) -> Adopted | None:
    """What was written of an adopted database; None where the stack is the app's.

    :raises InputRefused: for the first file that can't be used
    """
    if not settings.adopted:
        return None
    if settings.promoted_from:
        allowed = "empty where database:adopted is set: what is promoted is the app's declaration"
        raise InputRefused(str(SettingError("promotedFrom", settings.promoted_from, allowed)))
    return _checked(lambda: adoption.read(settings.adopted, CHECKOUT))


def standin(database: Adopted, platform: Platform) -> dict[str, str]:
    """Migration → checksum, of what stands in for the platform that the database lived on; empty where it needs none.

    :raises InputRefused: for the first file that can't be used
    """
    if not database.needs_standin(platform):
        return {}
    return _checked(lambda: {step.name: step.checksum for step in sqlfiles.steps(CHECKOUT / STANDIN.folder)})


def _checked(read: Callable[[], Read]) -> Read:
    try:
        return read()
    except UserError as error:
        raise InputRefused(str(error)) from None

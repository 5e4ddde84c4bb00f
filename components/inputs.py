"""What the program is given: the stack's name, its settings, the files in `sql/`. A fault is one line."""

from collections.abc import Callable
from typing import TypeVar

import pulumi
import pulumi.runtime.config

import targets
from declared import connectionurl, naming, sqlfiles
from declared.errors import UserError
from declared.naming import NAMESPACE
from declared.objectlayout import GUARDDUTY
from declared.settings import SettingError, Settings
from declared.sqlfiles import SqlFiles
from targets import Target
from targets import found as at_aws

Read = TypeVar("Read")


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
    config = pulumi.runtime.config
    prefix = f"{NAMESPACE}:"
    given = {
        name.removeprefix(prefix): str(value)
        for name, value in (config.CONFIG.get() | config.get_config_env()).items()
        if name.startswith(prefix)
    }
    secrets = [key for key in given if config.is_config_secret(prefix + key)]
    return _checked(lambda: Settings.load(given, secrets))


def target(settings: Settings) -> Target:
    """Where the stack lives.

    :raises InputRefused: for a target that isn't built, or that can't do what a setting asks for
    """
    found = _checked(lambda: targets.of(settings.target))
    if settings.scanning == GUARDDUTY and not found.can.guardduty:
        allowed = f"clamav where database:target is {found.name}: GuardDuty scans on aws only"
        raise InputRefused(str(SettingError("scanning", settings.scanning, allowed)))
    if not found.can.object_store:
        _refuse_unused(settings, found)
    if settings.url:
        given = connectionurl.parse(settings.url)
        _checked(lambda: found.reach(given))
    return found


def _refuse_unused(settings: Settings, target: Target) -> None:
    """
    :raises InputRefused: for a setting whose value nothing would go by, where files aren't at AWS
    """
    unused: dict[str, object] = {"alarmEmails": settings.alarm_emails, "roleTrust": settings.role_trust}
    for key, value in unused.items():
        if value:
            allowed = f"empty where database:target is {target.name}, which has nothing at AWS"
            raise InputRefused(str(SettingError(key, value, allowed)))


def found(target: Target, settings: Settings, stack: str) -> at_aws.Found | None:
    """What the stack has at AWS already; None where files aren't there.

    :raises InputRefused: for what can't be taken over
    """
    if not target.can.object_store:
        return None
    return _checked(lambda: at_aws.look(target.aws(stack), settings.region, stack))


def sql() -> SqlFiles:
    """All of `sql/`, read once and whole.

    :raises InputRefused: for the first file that can't be used
    """
    return _checked(sqlfiles.read)


def _checked(read: Callable[[], Read]) -> Read:
    try:
        return read()
    except UserError as error:
        raise InputRefused(str(error)) from None

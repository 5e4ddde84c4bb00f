"""The official plugin `aws` where it can be had, the stand-in of `local/standins` where not."""

import time
from pathlib import Path

from toolchain import versions
from toolchain.context import Context, key
from toolchain.engine import Engine
from toolchain.errors import BuildFailed, ToolchainError
from toolchain.process import run

SUBJECT = "plugins"
INSTALL_SECONDS = 900  # for each: aws has more than a hundred megabytes


def home(context: Context) -> Path:
    """Pulumi's own folder: the user's, else one in the cache."""
    own = context.environ.get("PULUMI_HOME")
    return Path(own) if own else context.cache.home


def notes_name(context: Context) -> str:
    """Where the cache remembers how the last try for this folder and these versions ended."""
    return f"plugins-{key(home(context), *versions.plugin_versions().items())}.json"


def ensure(context: Context, engine: Engine) -> bool:
    """Whether the stand-ins are to be used; tries once to install the official plugins."""
    way = context.choice("VPB_PLUGINS", "auto", "official", "standins")
    if way == "standins":
        return True
    if _installed(context):
        return False
    remembered = way == "auto" and not context.retry and context.cache.read(notes_name(context))
    if remembered and not remembered.get("official"):
        return True
    context.must_make(SUBJECT)
    with context.cache.lock(SUBJECT, context.progress) as kept:
        return _try(context, engine, kept, required=way == "official")


def _installed(context: Context) -> bool:
    folder = home(context) / "plugins"
    names = [f"resource-{name}-v{version}" for name, version in versions.plugin_versions().items()]
    # Pulumi leaves a `.partial` file beside the folder until the plugin is whole.
    return all((folder / name).is_dir() and not (folder / f"{name}.partial").exists() for name in names)


def _try(context: Context, engine: Engine, kept: int, *, required: bool) -> bool:
    log = context.cache.root / "logs" / "plugins.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    environ = context.environ | {"PULUMI_HOME": str(home(context)), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    reason = ""
    for name, version in versions.plugin_versions().items():
        command = [engine.bin / "pulumi", "plugin", "install", "resource", name, version]
        try:
            with context.progress.step(SUBJECT, f"official {name} {version}"):
                run(command, log=log, kept=kept, environ=environ, timeout=INSTALL_SECONDS)
        except BuildFailed as error:
            reason = str(error)
            break
    if reason and required:
        raise ToolchainError(f"{SUBJECT}: VPB_PLUGINS=official, but they can't be had: {reason}; log: {log}")
    context.cache.write(notes_name(context), {"official": not reason, "reason": reason, "time": time.time()})
    if reason:
        context.progress.say(
            f"{SUBJECT}: the stand-ins of local/standins, since the official ones can't be had ({reason});"
            " `python3 -m toolchain ensure --retry` tries again"
        )
    return bool(reason)

"""The official plugins, for targets at AWS. A local stack needs none of them."""

from pathlib import Path

from toolchain import versions
from toolchain.context import Context
from toolchain.engine import Engine
from toolchain.errors import BuildFailed, ToolchainError

SUBJECT = "plugins"
INSTALL_SECONDS = 900  # for each: aws has more than a hundred megabytes


def home(context: Context) -> Path:
    """Pulumi's own folder: the user's, else one in the cache."""
    own = context.environ.get("PULUMI_HOME")
    return Path(own) if own else context.cache.home


def ensure(context: Context, engine: Engine) -> None:
    """Install those that are missing.

    Raises:
        ToolchainError: where one can't be had
    """
    missing = {
        name: version for name, version in versions.plugin_versions().items() if not _is_there(context, name, version)
    }
    if not missing:
        return
    context.must_make(SUBJECT)
    from toolchain.process import run

    log = context.cache.root / "logs" / "plugins.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environ = context.environ | {"PULUMI_HOME": str(home(context)), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    with context.cache.lock(SUBJECT, context.progress) as kept:
        log.write_bytes(b"")
        for name, version in missing.items():
            command = [engine.bin / "pulumi", "plugin", "install", "resource", name, version]
            try:
                with context.progress.task(SUBJECT, f"official {name} {version}"):
                    run(command, log=log, kept=kept, environ=environ, timeout=INSTALL_SECONDS)
            except BuildFailed as error:
                raise ToolchainError(
                    f"{SUBJECT}: the official {name} {version} can't be had: {error}; log: {log}"
                ) from None


def _is_there(context: Context, name: str, version: str) -> bool:
    folder = home(context) / "plugins"
    found = f"resource-{name}-v{version}"
    # Pulumi leaves a `.partial` file beside the folder until the plugin is whole.
    return (folder / found).is_dir() and not (folder / f"{found}.partial").exists()

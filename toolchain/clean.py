"""Removes from the cache what the present version of the project doesn't use, and what Python can compile again."""

from toolchain import actionlint, engine, environment, node, pythonpackages, versions
from toolchain.cache import folder_size
from toolchain.context import Context

OWN = ("venv-*", "engine-*", "node-*", "packages-*", "python-packages-*", "actionlint-*", "tmp/*", "bytecode")


def clean(context: Context) -> dict[str, int]:
    """The removed folders with their sizes; a folder that another process makes right now stays."""
    keep = {
        environment.name(),
        *engine.current_names(context),
        *(name for folder in versions.MANIFESTS for name in node.names(folder)),
        pythonpackages.name(versions.SITE_REQUIREMENTS),
        actionlint.name(),
    }
    removed = {}
    for pattern in OWN:
        for folder in sorted(context.cache.root.glob(pattern)):
            name = str(folder.relative_to(context.cache.root))
            if name in keep:
                continue
            try:
                with context.cache.lock(folder.name, None):
                    removed[name] = folder_size(folder)
                    context.cache.remove(name)
            except BlockingIOError:
                context.progress.say(f"{name}: stays, another process is at it")
    return removed

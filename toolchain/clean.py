"""Removes from the cache what the present version of the project doesn't use, and what Python can compile again."""

from toolchain import actionlint, engine, environment, node, versions
from toolchain.cache import folder_size
from toolchain.context import Context

OWN = ("venv-*", "engine-*", "node-*", "packages-*", "actionlint-*", "tmp/*", "bytecode")


def clean(context: Context) -> dict[str, int]:
    """The removed folders with their sizes; a folder that another process makes right now stays."""
    keep = {
        environment.name(),
        *engine.current_names(context),
        *node.names(versions.CLIENTS),
        *node.names(versions.TYPESCRIPT),
        *node.names(versions.EXAMPLE),
        *node.names(versions.POSTGRES_META),
        *node.names(versions.POSTGREST),
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

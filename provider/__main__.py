"""The plugin `pg`, as the engine starts it."""

from plugin.server import serve
from provider.package import PgPlugin

if __name__ == "__main__":
    serve(PgPlugin())

"""The plugin `pg`, as the engine starts it."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from pgprovider.provider import PgPlugin

from plugin.server import serve

if __name__ == "__main__":
    serve(PgPlugin())

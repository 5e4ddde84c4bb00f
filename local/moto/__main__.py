"""`python -m local.moto`: exit status 3 means a state file that was refused, 4 a port that is taken."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Objects stay in memory, where a save finds them without moving the position of an open file.
os.environ.setdefault("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", str(1 << 40))

from local.moto.errors import StartError
from local.moto.identity import Credentials
from local.moto.server import Options, serve


def options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m local.moto", description="moto with a state file")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, metavar="FILE", help="loaded at start, saved on changes")
    parser.add_argument("--access-key", default=os.environ.get("MOTO_ACCESS_KEY_ID", ""))
    parser.add_argument("--secret-key", default=os.environ.get("MOTO_SECRET_ACCESS_KEY", ""))
    parser.add_argument("--parent-pid", type=int, metavar="P", help="stop when that process is gone")
    parser.add_argument("--verbose", action="store_true", help="log every request to standard error")
    given = parser.parse_args(arguments)
    if bool(given.access_key) != bool(given.secret_key):
        parser.error("--access-key and --secret-key belong together")
    return Options(
        host=given.host,
        port=given.port,
        state=given.state.absolute(),
        credentials=Credentials(given.access_key, given.secret_key),
        parent=given.parent_pid,
        verbose=given.verbose,
    )


def main() -> int:
    chosen = options(sys.argv[1:])
    try:
        serve(chosen)
    except StartError as error:
        print(f"moto: {error}", file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())

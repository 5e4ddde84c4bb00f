"""`python -m local.api RECORD`: the API of a stack, in the foreground; its settings are in the file."""

import signal
import sys
from pathlib import Path
from typing import NoReturn

from werkzeug.serving import make_server

from local.api import record
from local.api.files import Files
from local.api.postgrest import PostgREST
from local.api.routes import Routes
from local.api.rows import Rows
from local.api.server import Application, Handler
from local.api.storage import Storage
from local.ports import HOST


def main(path: Path) -> int:
    """Serve until it is ended; 1 where there is nothing to serve."""
    kept = record.read(path)
    if kept is None or kept.start is None:
        print(f"{path}: has nothing to start", file=sys.stderr)
        return 1
    postgrest = PostgREST(kept, kept.start)
    storage = Storage(Rows(kept.start.storage_url), Files(kept.start), kept.start.largest)
    application = Application(path, kept, postgrest, Routes(storage, kept.secrets), kept.fingerprint)

    def end(*_: object) -> NoReturn:
        postgrest.stop()
        sys.exit(0)

    server = make_server(HOST, kept.port, application, threaded=True, request_handler=Handler)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    postgrest.start()
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""moto's threaded server with the gate and the saver around it, and its health check."""

import io
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import moto
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.moto import (
    accesslogs,
    alarms,
    backup,
    cloudfront,
    gate,
    guardduty,
    lifecycle,
    listing,
    logdelivery,
    multipart,
    pickling,
    rds,
    rdsproxy,
    statefile,
    trust,
)
from local.moto.errors import StartError
from local.moto.identity import Credentials
from local.moto.saver import Saver

PORT_TAKEN = 4
PARENT_CHECK_SECONDS = 0.3
HEALTH = "/_local/health"
READ_METHODS = ("GET", "HEAD", "OPTIONS")
# Reads by name; what isn't known as one counts as a change, which costs a save and nothing else.
READ_ACTION = re.compile(r"(?:Action=|\.)(?:Describe|Get(?!SessionToken|FederationToken)|List|BatchGet)\w+")
FORM = "application/x-www-form-urlencoded"

Environ = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """The command line."""

    host: str
    port: int
    state: Path
    credentials: Credentials
    parent: int | None = None
    verbose: bool = False


class Application:
    """The WSGI application: health check, else moto between the saver's locks."""

    def __init__(self, saver: Saver) -> None:
        self._saver = saver
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == HEALTH:
            return self._health(start_response)
        action = _action(environ)
        if "ReceiveMessage" in action:
            # It may wait twenty seconds for a message, with the lock free.
            try:
                return self._call_moto(environ, start_response)
            finally:
                self._saver.changed()
        with self._saver.lock.shared():
            try:
                return self._call_moto(environ, start_response)
            finally:
                if _changes(environ["REQUEST_METHOD"], path, action):
                    self._saver.changed(empty=path == "/moto-api/reset")

    def _call_moto(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._moto(environ, start_response)
        return answer

    def _health(self, start_response: Callable[..., Any]) -> Iterable[bytes]:
        facts = {
            "moto": moto.__version__,
            "pid": os.getpid(),
            "state": str(self._saver.path),
            "loaded": self._saver.loaded,
            "empty": self._saver.empty,
        }
        body = json.dumps(facts).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def _action(environ: Environ) -> str:
    """Where the call's name stands: a header, or a form that is read here and put back."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target)
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if not length or not environ.get("CONTENT_TYPE", "").startswith(FORM):
        return ""
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    found = re.search(rb"(?:^|&)(Action=\w+)", body)
    return found[1].decode() if found else ""


def _changes(method: str, path: str, action: str) -> bool:
    if path.startswith("/moto-api") and path != "/moto-api/reset":
        return False
    return method not in READ_METHODS and not READ_ACTION.search(action)


class _QuietHandler(MotoRequestHandler):  # type: ignore[misc]
    def log(self, *args: Any) -> None:
        pass


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Bound here, since werkzeug prints its own lines and exits when the port is taken.
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        raise StartError(f"can't listen on {host}:{port}: {error.strerror}", PORT_TAKEN) from error
    return listener


def restored(path: Path) -> Saver:
    found = statefile.read(path, moto.__version__)
    if found is None:
        return Saver(path, moto.__version__, loaded=False, empty=True)
    header, content = found
    try:
        pickling.restore(pickling.load(content))
    except Exception as error:
        reason = f"can't be loaded: {type(error).__name__}: {error}"
        raise StartError(f"state file {path} {reason}; move it away to start empty", statefile.REFUSED) from error
    return Saver(path, moto.__version__, loaded=True, empty=bool(header.get("empty")))


def serve(options: Options) -> None:
    """Serves until a signal comes or the parent goes; then saves."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    options.state.parent.mkdir(parents=True, exist_ok=True)
    with listen(options.host, options.port) as listener:
        gate.install(options.credentials)
        trust.install()
        lifecycle.install()
        multipart.install()
        listing.install()
        accesslogs.install()
        logdelivery.install()
        cloudfront.install()
        backup.install()
        guardduty.install()
        rds.install()
        rdsproxy.install()
        alarms.install()
        saver = restored(options.state)
        handler = MotoRequestHandler if options.verbose else _QuietHandler
        server = make_server(
            options.host, options.port, Application(saver), True, request_handler=handler, fd=listener.fileno()
        )
    threading.Thread(target=saver.run, name="saver", daemon=True).start()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="server", daemon=True).start()
    started_by = os.getppid()
    while not stop.wait(PARENT_CHECK_SECONDS):
        if options.parent is not None and not _alive(options.parent, started_by):
            break
    server.shutdown()
    try:
        saver.save_changes()
    except OSError as error:
        raise StartError(f"state file {options.state} not written: {error.strerror}", 1) from error


def _alive(parent: int, started_by: int) -> bool:
    # A parent that has ended and isn't reaped yet still answers to kill, but has lost its children.
    if parent == started_by:
        return os.getppid() == parent
    try:
        os.kill(parent, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

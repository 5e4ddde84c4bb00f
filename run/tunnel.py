"""A way to a server in a private network: a session of AWS' Session Manager through an instance or a task in it.

It is open as long as a run, and closed with it. AWS' own programs open it, so what they need is theirs to say.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from declared.tunnel import LOOPBACK, Tunnel
from run import state
from run.state import EngineError

DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
PROGRAMS = {
    "aws": "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    "session-manager-plugin": "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html",
}
SECONDS = 30
"""Until a session that isn't there is given up."""


@contextmanager
def opened(stack: str, through: str, region: str, to: tuple[str, int], local: int) -> Iterator[Tunnel]:
    """A tunnel to a server, closed again at the end.

    Args:
        through: the instance or task, as Session Manager names its target.
        to: host and port of the server.
        local: the port of this machine; 0 is one that is free.

    :raises EngineError: where a program is missing, the port is taken, or the session doesn't come about
    """
    for program, where in PROGRAMS.items():
        if shutil.which(program) is None:
            raise EngineError(f"stack {stack}: server:reach is tunnel, and {program} isn't installed here: {where}")
    tunnel = Tunnel(*to, _port(stack, local))
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            _command(through, region, tunnel),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # The plugin is a child of its own, and Ctrl-C is the engine's first.
            start_new_session=True,
        )
        closing = threading.Event()
        try:
            _await(stack, through, tunnel, process, said)
            watch = threading.Thread(target=_watch, args=(stack, through, process, closing, said), daemon=True)
            watch.start()
            yield tunnel
        finally:
            closing.set()
            _end(process)


def _command(through: str, region: str, tunnel: Tunnel) -> list[str]:
    parameters = {"host": [tunnel.host], "portNumber": [str(tunnel.port)], "localPortNumber": [str(tunnel.local)]}
    return [
        *("aws", "ssm", "start-session", "--region", region, "--target", through),
        *("--document-name", DOCUMENT, "--parameters", json.dumps(parameters)),
    ]


def _port(stack: str, wanted: int) -> int:
    with socket.socket() as probe:
        # As the plugin does, whose port may have been another run's a moment ago.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError:
            raise EngineError(
                f"stack {stack}: port {wanted} of this machine is taken; set server:localPort to another one, or take "
                "it out for one that is free"
            ) from None
        return int(probe.getsockname()[1])


def _await(stack: str, through: str, tunnel: Tunnel, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EngineError(f"stack {stack}: there is no session to {through}: {_last(said)}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((LOOPBACK, tunnel.local)) == 0:
                return
        time.sleep(0.1)
    raise EngineError(f"stack {stack}: there is no session to {through} after {SECONDS} s: {_last(said)}")


def _watch(
    stack: str, through: str, process: subprocess.Popen[bytes], closing: threading.Event, said: IO[bytes]
) -> None:
    process.wait()
    if not closing.is_set():
        state.say(
            f"stack {stack}: the session to {through} has ended: {_last(said)}; what needs the server fails from here "
            "on, run it again"
        )


def _last(said: IO[bytes]) -> str:
    """The last line that the programs wrote."""
    size = os.fstat(said.fileno()).st_size
    # Its place is the child's too, which goes on writing there.
    lines = os.pread(said.fileno(), size, 0).decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _end(process: subprocess.Popen[bytes]) -> None:
    """The plugin ends the session at AWS too when it gets the signal."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=5)
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()

"""PostgREST as a child of the API: configured by its environment, on loopback, started again where it ends."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from declared import tokens
from local.api.record import Record, Start
from local.ports import HOST, free_port

# As Supabase's projects have it.
MOST_ROWS = 1000
SESSIONS = 6
# Seconds before it is started again: at first, and at most.
PAUSE, LONGEST_PAUSE = 0.2, 5
PR_SET_PDEATHSIG = 1


class PostgREST:
    """The process, kept running from `start` to `stop`."""

    def __init__(self, record: Record, start: Start) -> None:
        self.port, self.admin_port = free_port(), free_port()
        self._program, self._environment = start.program, self._settings(record, start)
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._libc = ctypes.CDLL(None)

    def start(self) -> None:
        """Start it, and watch it in a thread of its own."""
        threading.Thread(target=self._keep, name="postgrest", daemon=True).start()

    def stop(self) -> None:
        """End it for good."""
        self._ending.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def _keep(self) -> None:
        # Linux ends the child with the thread that has started it, so this one stays.
        pause: float = PAUSE
        while not self._ending.is_set():
            began = time.monotonic()
            self._process = subprocess.Popen(
                [self._program],
                env=self._environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                preexec_fn=self._end_with_parent,
                **_identity(),
            )
            status = self._process.wait()
            if self._ending.is_set():
                return
            pause = PAUSE if time.monotonic() - began > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            print(f"PostgREST ended with status {status}, and is started again", file=sys.stderr, flush=True)
            self._ending.wait(pause)

    def _end_with_parent(self) -> None:
        self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def _settings(self, record: Record, start: Start) -> dict[str, str]:
        return {
            "PGRST_DB_URI": start.rest_url,
            "PGRST_DB_SCHEMAS": ", ".join(start.schemas),
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_POOL": str(SESSIONS),
            "PGRST_DB_POOL_ACQUISITION_TIMEOUT": "10",
            "PGRST_DB_MAX_ROWS": str(MOST_ROWS),
            "PGRST_JWT_SECRET": tokens.key_set(record.secrets),
            "PGRST_LOG_LEVEL": "error",
            "PGRST_OPENAPI_SERVER_PROXY_URI": f"http://{HOST}:{record.port}/rest/v1",
            "PGRST_SERVER_HOST": HOST,
            "PGRST_SERVER_PORT": str(self.port),
            "PGRST_ADMIN_SERVER_PORT": str(self.admin_port),
        }


def _identity() -> dict[str, Any]:
    """A third party has packed it: started by root, it runs without rights."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

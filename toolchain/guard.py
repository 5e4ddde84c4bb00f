"""Runs one command in a process group of its own, and ends the whole group when the process that asked is gone.

Gone may mean Ctrl-C, a closed terminal or `kill -9`: a pipe that only the asking process holds open tells it in every
case. Run as a file by `process.run`: `guard.py PIPE KEPT COMMAND…`; KEPT is a descriptor that the command inherits.
"""

import os
import signal
import subprocess
import sys
import threading


def _end_with_caller(pipe: int) -> None:
    os.read(pipe, 1)
    # Nothing of it is worth a clean end: what it was making is thrown away.
    os.killpg(0, signal.SIGKILL)


def main() -> int:
    """Waits for the command and gives its exit status."""
    pipe, kept = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=_end_with_caller, args=(pipe,), daemon=True).start()
    try:
        return subprocess.Popen(sys.argv[3:], pass_fds=(kept,)).wait()
    except OSError as error:
        print(f"{sys.argv[3]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main())

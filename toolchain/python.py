"""Refuses a Python that is too old, in one line: must itself run on any Python 3."""

import sys

OLDEST = (3, 11)

if sys.version_info < OLDEST:
    sys.exit(
        "python environment: Python {}.{} or newer is needed, {} is {}.{}; install one and put it first on PATH"
        " (Debian and Ubuntu: apt install python3 python3-venv)".format(*OLDEST, sys.executable, *sys.version_info[:2])
    )

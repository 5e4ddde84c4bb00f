"""Python loads this at its start, in the program that the engine runs: Ctrl-C ends it without a stack trace."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

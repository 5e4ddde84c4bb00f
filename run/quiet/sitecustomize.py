"""Python loads this at its start, in the program that the engine runs and in its plugins.

Ctrl-C ends it without a stack trace. The program lives for seconds and ends with its memory, so nobody looks there for
garbage: that would take a fifth of its time.
"""

import atexit
import gc
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)

if any(word.endswith("pulumi-language-python-exec") for word in sys.orig_argv):
    gc.disable()
    # At its end Python would look through everything once more, asked or not.
    atexit.register(gc.freeze)

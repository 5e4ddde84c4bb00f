"""The exit statuses of every command, which a script can go by; 0 is done."""

FAILED = 1
"""It failed or was used wrongly."""
FOUND = 2
"""It found something: drift, pending changes, a weak spot, an infected file."""
INTERRUPTED = 130
"""Ctrl-C, as shells have it."""

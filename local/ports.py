"""Loopback ports: a free one is drawn, never fixed, so that clones don't meet."""

import random
import socket

HOST = "127.0.0.1"
# Below the ports that systems lend to outgoing connections (Linux: from 32768), so that a server finds its port again.
PORTS = range(20000, 32000)


def free_port() -> int:
    """A port that nothing listens on now."""
    return next(port for port in random.sample(PORTS, len(PORTS)) if port_is_free(port))


def port_is_free(port: int) -> bool:
    """Whether a server could listen on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True

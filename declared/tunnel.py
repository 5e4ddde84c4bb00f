"""A tunnel to a server, named in the environment of what the run starts that has opened it."""

import os
import re
from dataclasses import dataclass

from declared.connectionurl import Parameters

VARIABLE = "VPB_TUNNEL"
LOOPBACK = "127.0.0.1"
FORM = re.compile(r"(?P<host>[^=]+):(?P<port>[0-9]+)=(?P<here>[0-9]+)")


@dataclass(frozen=True)
class Tunnel:
    """The server at one end, and a port of this machine at the other."""

    host: str
    port: int
    local: int

    @property
    def text(self) -> str:
        """What `VARIABLE` is while it is open."""
        return f"{self.host}:{self.port}={self.local}"


def through(parameters: Parameters) -> Parameters:
    """The connection by way of the open tunnel, where it leads to its server.

    The server's name stays, since its certificate is checked by it.
    """
    found = FORM.fullmatch(os.environ.get(VARIABLE, ""))
    if found is None or (parameters["host"], parameters["port"]) != (found["host"], found["port"]):
        return parameters
    return {**parameters, "hostaddr": LOOPBACK, "port": found["here"]}

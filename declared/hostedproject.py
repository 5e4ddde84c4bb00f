"""The setting of a project that Supabase hosts: what its management API sets, with the bounds of its documentation."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from declared.buckets import SettingError

REFERENCE = re.compile(r"[a-z]{20}")
# The direct connection's host has the project's reference.
DIRECT = re.compile(r"db\.(?P<reference>[a-z0-9]+)\.supabase\.(co|com|red)")
POOL_MODES = ("transaction", "session")
MOST_POOLED = 3000
OPEN = ("0.0.0.0/0", "::/0")
"""The networks that let everybody connect."""
# No address of these reaches a project; Supabase's own command line refuses them too.
PRIVATE = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    # Of this machine, of this link, to many, and of the other family.
    *("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::1/128", "fe80::/10", "ff00::/8", "::ffff:0:0/96"),
)
NETWORKS = "a list of different public networks such as [203.0.113.0/24, 2001:db8::/32]"
FORM = (
    "a map of reference (20 letters of a-z), and any of networks "
    f"({NETWORKS}), ssl (true or false), poolSize (1 to {MOST_POOLED}) and poolMode ({' or '.join(POOL_MODES)})"
)


@dataclass(frozen=True, kw_only=True)
class HostedProject:
    """What is declared of a hosted project, under the names of the setting; None leaves it as it is there."""

    reference: str
    networks: tuple[str, ...] | None = None
    """Who may connect to the database and its pooler, of both families."""
    ssl: bool | None = None
    """Whether connections without TLS are refused."""
    poolSize: int | None = None
    """Sessions of the server for each login that comes through the pooler."""
    poolMode: str | None = None

    @property
    def declared(self) -> dict[str, Any]:
        """What isn't left as it is."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def project(value: Any) -> HostedProject | None:
    """
    :raises SettingError: for anything but what a project's API takes
    """
    if value in (None, {}):
        return None
    if not isinstance(value, dict) or value.keys() - {field.name for field in fields(HostedProject)}:
        raise SettingError("project", value, FORM)
    networks = value.get("networks")
    fits = (
        _is(value.get("reference"), lambda text: REFERENCE.fullmatch(text) is not None, str)
        and (networks is None or (isinstance(networks, list) and not_networks(networks) is None))
        and _is(value.get("ssl", True), lambda _: True, bool)
        and _is(value.get("poolSize", 1), lambda size: 1 <= size <= MOST_POOLED, int)
        and value.get("poolMode", POOL_MODES[0]) in POOL_MODES
    )
    if not fits:
        raise SettingError("project", value, FORM)
    return HostedProject(**{**value, "networks": None if networks is None else tuple(networks)})


def _is(value: Any, holds: Any, kind: type) -> bool:
    return type(value) is kind and bool(holds(value))


def not_networks(values: Sequence[Any]) -> str | None:
    """What is wrong with a list of networks; None where nothing is."""
    if not values:
        return f"must name a network: an empty list lets nobody in; {', '.join(OPEN)} let everybody in"
    for value in values:
        try:
            network = ipaddress.ip_network(value) if isinstance(value, str) else None
        except ValueError:
            network = None
        # Python takes an address alone, a mask behind the slash, and an interface; the API takes none of it.
        if network is None or "%" in value or value.partition("/")[2] != str(network.prefixlen):
            return f"'{value}' is no network in CIDR form without host bits, such as 203.0.113.0/24"
        if any(_within(network, ipaddress.ip_network(each)) for each in PRIVATE):
            return f"'{value}' is a private network, from which nothing reaches a project"
    if len({ipaddress.ip_network(value) for value in values}) < len(values):
        return "a network is named twice"
    return None


def _within(network: Any, other: Any) -> bool:
    return bool(network.version == other.version and network.subnet_of(other))


def references(host: str) -> set[str]:
    """The projects whose direct connection a URL's hosts are."""
    # As DNS reads a name: in any case, with a dot at its end or without.
    found = (DIRECT.fullmatch(each.rstrip(".").lower()) for each in host.split(","))
    return {match["reference"] for match in found if match}

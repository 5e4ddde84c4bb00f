"""Whether networks are more than somebody's own: by the length of their prefix, and by all of them together."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

# An organization holds at most this many addresses: a /8 of IPv4, a /16 of IPv6.
PREFIXES = {4: 8, 6: 16}


def wide(given: Iterable[Any]) -> list[str]:
    """The networks that are nearly everywhere, by themselves or all together; what is no network counts as one.

    Networks that no route of the internet leads to are let out of the sum.
    """
    texts = [each for each in given if isinstance(each, str)]
    read = {each: _network(each) for each in texts}
    found = [each for each, network in read.items() if network is None or network.prefixlen < PREFIXES[network.version]]
    public = [each for each in read.values() if each is not None and not each.is_private]
    return found or [
        text
        for version, prefix in PREFIXES.items()
        if _addresses(public, version) > 2 ** ((32 if version == 4 else 128) - prefix)
        for text, network in read.items()
        if network in public and network is not None and network.version == version
    ]


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _addresses(networks: Iterable[IPv4Network | IPv6Network], version: int) -> int:
    of: Any = [each for each in networks if each.version == version]
    return sum(each.num_addresses for each in collapse_addresses(of))

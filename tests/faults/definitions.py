"""What differs from a stored snapshot, found without its shortcuts: every object compared, pending or held or not."""

import asyncio

from provider import snapshots
from provider.connection import ConnectionInfo, Connections
from provider.manualchanges import look

NAME = "schema"


def differences(url: str) -> list[str]:
    """One line for each facet that isn't as stored, for a wrong fingerprint, and for what is still pending."""
    return asyncio.run(_differences(Connections(ConnectionInfo.of(url))))


async def _differences(connections: Connections) -> list[str]:
    try:
        async with connections.transaction("faults") as connection:
            seen = await look(connection, NAME)
            if seen.header is None:
                return ["there is no snapshot"]
            everything = await snapshots.compare(connection, NAME, seen.header.schemas, None)
            names = {*seen.drift, *(f"{each.object}: {each.facet}" for each in everything)}
            found = [f"not as in the snapshot: {name}" for name in sorted(names)]
            if await snapshots.fingerprint(connection, NAME) != seen.header.fingerprint:
                found.append("the snapshot's fingerprint is wrong")
            return found + [f"pending in the snapshot: {each}" for each in await snapshots.pending(connection)]
    finally:
        await connections.close()

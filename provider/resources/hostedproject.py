"""What Supabase's management API sets of a project: who may connect, TLS, the pooler. The project itself stays."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from declared.hostedproject import MOST_POOLED, POOL_MODES, REFERENCE, not_networks
from plugin.server import CheckFailure, Context, Resource
from provider.connection import row
from provider.errors import Refused
from provider.managementapi import ManagementApi
from provider.migrationchanges import MANUALLY
from provider.resources.base import Field, ObjectKind, shown

WAIT_SECONDS = 300.0
POLL_SECONDS = 3.0
BACKUP_AGE = timedelta(days=2)
ACTIVE = ("ACTIVE_HEALTHY", "ACTIVE_UNHEALTHY")
# Where the server sees this session from.
OWN_ADDRESS = "select pg_catalog.host(pg_catalog.inet_client_addr()) as address"


class HostedProject(ObjectKind):
    """Settings of a project that Supabase hosts, by its management API; what isn't declared stays as it is there.

    The project has to be there: it is taken over, and stays as it is when the resource is deleted. The plugin takes the
    API's token from the environment variable `SUPABASE_ACCESS_TOKEN`. No API key is read.
    """

    token = "pg:index:HostedProject"
    fields = {
        "reference": Field(str, "the project's reference, 20 letters", required=True, identity=True),
        "networks": Field(
            list, "the networks that may connect to the database and its pooler, and no others, in CIDR form"
        ),
        "ssl": Field(bool, "whether connections without TLS are refused; another value restarts the database"),
        "poolSize": Field(int, f"sessions of the pooler for each login, 1 to {MOST_POOLED}"),
        "poolMode": Field(str, "the mode of the dedicated pooler", choices=POOL_MODES),
    }
    outputs = {
        "recovery": Field(
            bool, "whether the platform can restore the database to any instant; nothing where the token may not ask"
        ),
        "legacy": Field(
            bool, "whether the legacy API keys work; nothing where they are gone, or the token may not ask"
        ),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"project {inputs['reference']}"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        found = []
        if not REFERENCE.fullmatch(inputs["reference"]):
            found.append(CheckFailure("reference", "must be 20 letters of a-z"))
        if inputs.get("networks") is not None and (wrong := not_networks(inputs["networks"])):
            found.append(CheckFailure("networks", wrong))
        size = inputs.get("poolSize")
        if size is not None and not 1 <= size <= MOST_POOLED:
            found.append(CheckFailure("poolSize", f"must be a whole number from 1 to {MOST_POOLED}"))
        return found

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name == "networks" and one is not None and other is not None:
            return _as_set(one) == _as_set(other)
        return bool(one == other)

    def written(self, name: str, wanted: Any, found: Any) -> bool:
        return wanted is None or self.same(name, found, wanted)

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        found = await self._bring(context, inputs, preview)
        for line in _limits(inputs, found):
            await context.info(f"{self.label(inputs)}: {line}")
        return self.id(inputs), inputs | {name: found[name] for name in self.outputs}

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        for name in self.compared:
            if new.get(name) is None and state.get(name) is not None:
                await context.info(f"{self.label(new)}: {name} isn't declared any more and stays {shown(state[name])}")
        found = await self._bring(context, new, preview)
        return new | {name: found[name] for name in self.outputs}

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        identity, label = self.parse_id(id), self.label(self.parse_id(id))
        declared = [name for name in self.compared if not state or inputs.get(name) is not None]
        found = await self._look(ManagementApi(identity["reference"]), declared)
        if found is None:
            await context.info(f"{label} is gone, or the token doesn't reach it")
            return None
        outputs = {name: found[name] for name in self.outputs}
        if not state:
            inputs = {name: found[name] for name in self.fields if found.get(name) is not None}
            return Resource(id, inputs | outputs, inputs)
        seen = {name: inputs[name] for name in declared}
        for name, wanted in seen.items():
            if not self.same(name, found[name], wanted):
                seen[name] = found[name]
                if name not in _pending(found):
                    changed = f"from {shown(wanted)} to {shown(found[name])}"
                    await context.info(f"{label}: {name} was changed {MANUALLY} {changed}")
        for name, value in outputs.items():
            if (before := state.get(name)) != value:
                meaning = self.outputs[name].meaning.partition(";")[0]
                await context.info(f"{label}: {meaning}: {shown(before)} before, {shown(value)} now")
        for line in _troubles(found):
            await context.info(f"{label}: {line}")
        return Resource(id, {**identity, **seen, **outputs}, inputs)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        await context.info(
            f"{self.label(state)} stays as it is, with its networks, TLS and pooler; nothing was changed"
        )

    async def _look(self, api: ManagementApi, declared: Iterable[str]) -> dict[str, Any] | None:
        """What is in force, under the names of the fields and outputs, with what is said of it; None where it's gone.

        Of the fields only those that are declared: not every plan and token has all.
        """
        status = await api.status()
        if status is None:
            return None

        async def look(read: Callable[[], Awaitable[Any]], *of: str) -> Any:
            return await read() if {*of} & {*declared} else None

        networks, encryption, pooler, backups, legacy = await asyncio.gather(
            look(api.networks, "networks"),
            look(api.encryption, "ssl"),
            look(api.pooler, "poolSize", "poolMode"),
            api.backups(),
            api.legacy_keys(),
        )
        found: dict[str, Any] = {"reference": api.reference, "status": status, "legacy": legacy, "backups": backups}
        found |= {"recovery": backups.recovery, "restrictions": networks}
        if networks is not None:
            found["networks"] = list(networks.allowed)
        if encryption is not None:
            # What isn't in force yet is neither.
            found["ssl"] = encryption.enforced if encryption.applied else None
        if pooler is not None:
            found |= {"poolSize": pooler.size, "poolMode": pooler.mode}
        return found

    async def _bring(self, context: Context, new: Mapping[str, Any], preview: bool) -> Mapping[str, Any]:
        """Bring the project to what is declared, writing only what differs; in a preview, say what that does.

        :raises Refused: where it can't be so
        """
        api, label = ManagementApi(new["reference"]), self.label(new)
        declared = [name for name in self.compared if new.get(name) is not None]
        found = await self._look(api, declared)
        if found is None:
            raise Refused(f"{label} isn't there, or the token doesn't reach it; no project is made by this program")
        differing = {name: new[name] for name in declared if not self.same(name, found[name], new[name])}
        await self._refuse(label, differing, found)
        for name, value in differing.items():
            does = "; the database restarts, which ends all sessions" if name == "ssl" else ""
            line = f"{label}: {name} is {shown(found[name])} and becomes {shown(value)}{does}"
            await (context.info if preview else context.status)(line)
        if preview or not differing:
            return found
        await self._write(context, api, differing)
        found = await self._look(api, declared)
        assert found is not None, "it was there a moment ago"
        self._read_back(new, found, [])
        return found

    async def _refuse(self, label: str, differing: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """
        :raises Refused: for what the project can't take, and for what would lock this program out
        """
        if differing and found["status"] not in ACTIVE:
            raise Refused(f"{label} is {found['status']} and takes no settings; run again when it is active")
        if "networks" not in differing:
            return
        if not found["restrictions"].available:
            raise Refused(f"{label}: its plan or its version takes no restrictions of networks; take networks out")
        own = await self._own_address(label)
        if own is not None and own.is_global and not any(own in network for network in _as_set(differing["networks"])):
            raise Refused(
                f"{label}: networks leaves out {own}, from where this run is connected, and would lock it out; add it"
            )

    async def _own_address(self, label: str) -> Any:
        """Where the database sees this program from; None where that isn't known."""
        if self.connections is None:
            return None
        async with self.database.transaction(label) as connection:
            found = await row(connection, OWN_ADDRESS, [])
        return ipaddress.ip_address(found["address"]) if found and found["address"] else None

    async def _write(self, context: Context, api: ManagementApi, differing: Mapping[str, Any]) -> None:
        """Last what restarts the database."""
        if "poolSize" in differing or "poolMode" in differing:
            await api.set_pooler(differing.get("poolSize"), differing.get("poolMode"))
        if (networks := differing.get("networks")) is not None:
            await api.allow(networks)
            await self._settled(context, api, "networks", networks)
        if (ssl := differing.get("ssl")) is not None:
            await api.enforce_encryption(ssl)
            await self._settled(context, api, "ssl", ssl)

    async def _settled(self, context: Context, api: ManagementApi, name: str, wanted: Any) -> None:
        """Wait until what was asked for is in force.

        :raises Refused: where it isn't in time
        """
        label = self.label({"reference": api.reference})
        looks: dict[str, Callable[[], Awaitable[Any]]] = {"networks": api.in_force, "ssl": api.enforced}
        until = asyncio.get_running_loop().time() + WAIT_SECONDS
        while not self.same(name, await looks[name](), wanted):
            if asyncio.get_running_loop().time() > until:
                raise Refused(
                    f"{label}: {name} was asked for and isn't in force after {WAIT_SECONDS:g} s; look at it in the "
                    "dashboard, and run again"
                )
            await context.status(f"{label}: waiting until {name} is in force")
            await asyncio.sleep(POLL_SECONDS)


def _as_set(networks: list[str]) -> set[Any]:
    # The API takes host bits, and gives them back.
    return {ipaddress.ip_network(each, strict=False) for each in networks}


def _limits(inputs: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """What the API doesn't set, and what a declaration does that isn't obvious: said once."""
    networks = inputs.get("networks")
    if networks is not None and not any(":" in network for network in networks):
        yield "networks has none of IPv6, which the direct connection is reached by without the IPv4 add-on"
    if found["recovery"] is None:
        yield "the token lacks backups_read: how old its newest backup is isn't looked at"
    elif not found["recovery"]:
        yield "it can't be restored to any instant; that is an add-on, which is made in the dashboard"
    if found["recovery"] is not None and found["backups"].newest is None:
        yield "the platform has no backup of it; what its plan keeps is chosen in the dashboard"
    if found["legacy"]:
        yield "its legacy API keys work; they are disabled in the dashboard, once nothing uses them"
    yield from _troubles(found)


def _pending(found: Mapping[str, Any]) -> list[str]:
    """What was asked for and isn't in force yet."""
    networks = ["networks"] if found["restrictions"] is not None and found["restrictions"].pending else []
    return networks + (["ssl"] if "ssl" in found and found["ssl"] is None else [])


def _troubles(found: Mapping[str, Any]) -> Iterator[str]:
    """What somebody has to look at: said by every run."""
    for name in _pending(found):
        yield f"what was asked for last of {name} isn't in force yet"
    newest = found["backups"].newest
    if newest is not None and datetime.now(UTC) - newest > BACKUP_AGE:
        yield f"its newest backup is of {newest:%Y-%m-%d}; look at its backups in the dashboard"

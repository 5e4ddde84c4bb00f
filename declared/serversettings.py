"""The settings of a server that the program itself makes: namespace `server` of a stack's configuration.

`Pulumi.yaml` can't declare keys of another namespace than the project's. So each is declared here, with its default,
what is allowed and its meaning.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from declared.errors import UserError

NAMESPACE = "server"
CLASS = re.compile(r"db\.(serverless|[a-z][a-z0-9]{1,7}\.[0-9a-z-]{2,16})")
ENGINE = re.compile(r"postgres|aurora")
NONE, OBJECTS = "none", "objects"
HEALTH_METRICS = re.compile(rf"{NONE}|worst|{OBJECTS}")
REACH = re.compile(r"direct|tunnel")
# As Session Manager names its targets.
BASTION = re.compile(r"|m?i-[0-9a-f]{8,17}|ecs:[A-Za-z0-9_-]{1,255}_[0-9a-f]{32}_[0-9a-f]{32}-[0-9]{1,12}")
TUNNEL = "tunnel"
CAPACITY = re.compile(r"(0|[1-9][0-9]{0,2})(\.[05])?")
AURORA, SERVERLESS = "aurora", "db.serverless"
# The families that Aurora PostgreSQL has.
AURORA_CLASS = re.compile(r"db\.(serverless|[rtx][a-z0-9]{1,6}\..+)")
TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
ZONE = re.compile(r"[a-f]")
SERVICE = re.compile(r"[a-z][a-z0-9.-]{1,40}")
# Reached by a gateway that is always made, and costs nothing.
GATEWAY = "s3"
ENDPOINT = re.compile(r"[A-Za-z0-9.-]{1,253}:[0-9]{1,5}")
DAY_MINUTES = 24 * 60
LEAST_WINDOW = 30
# Minutes before RDS may restart a server in which AWS Backup begins none of its own (its guide, "Backup plan options").
QUIET = 60


class ServerSettingError(UserError, ValueError):
    """A value that can't be used; the text is one line."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"setting {NAMESPACE}:{key} is {value!r}; allowed is {allowed}")


@dataclass(frozen=True)
class Setting:
    """One key: how its text becomes a value, and what the settings' page says of it.

    `read` raises a ValueError for what isn't allowed.
    """

    default: str
    read: Callable[[str], Any]
    allowed: str
    meaning: str


def _whole(least: int, most: int) -> tuple[Callable[[str], int], str]:
    def read(text: str) -> int:
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return read, f"a whole number from {least} to {most}"


def _capacity(text: str) -> float:
    if not CAPACITY.fullmatch(text) or not 0.5 <= float(text) <= 256:
        raise ValueError
    return float(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return read


def _list(pattern: re.Pattern[str], least: int, most: int) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        found = json.loads(text)
        fits = isinstance(found, list) and all(isinstance(each, str) and pattern.fullmatch(each) for each in found)
        if not fits or not least <= len(set(found)) == len(found) <= most:
            raise ValueError
        return tuple(found)

    return read


def _services(text: str) -> tuple[str, ...]:
    found = _list(SERVICE, 0, 20)(text)
    if GATEWAY in found:
        raise ValueError
    return found


def _network(text: str) -> str:
    network = ipaddress.IPv4Network(text)
    if not network.is_private or not 16 <= network.prefixlen <= 24:
        raise ValueError
    return str(network)


def _minute(text: str) -> int:
    """The minute of the day."""
    found = TIME.fullmatch(text)
    if found is None:
        raise ValueError
    return int(found[1]) * 60 + int(found[2])


def _window(weekly: bool) -> Callable[[str], str]:
    def read(text: str) -> str:
        if (text[:3] in DAYS) != weekly:
            raise ValueError
        _span(text)
        return text

    return read


def _span(text: str) -> tuple[int, int]:
    """Where a window begins, in minutes of the day or of the week, and how long it is."""
    weekly = text[:3] in DAYS
    begins, stops = (_moment(end, weekly) for end in text.split("-"))
    length = (stops - begins) % (DAY_MINUTES * 7 if weekly else DAY_MINUTES)
    if not LEAST_WINDOW <= length < DAY_MINUTES:
        raise ValueError
    return begins, length


def _moment(text: str, weekly: bool) -> int:
    if not weekly:
        return _minute(text)
    day, _, time = text.partition(":")
    return DAYS.index(day) * DAY_MINUTES + _minute(time)


def _overlap(daily: str, weekly: str) -> bool:
    (begins, length), (start, duration) = _span(daily), _span(weekly)
    # Each day's backup of the week, and the last one of the week before.
    return any(
        day * DAY_MINUTES + begins < start + duration and start < day * DAY_MINUTES + begins + length
        for day in range(-1, 8)
    )


def _endpoint(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    if not ENDPOINT.fullmatch(text) or not 0 < int(text.rpartition(":")[2]) < 65536:
        raise ValueError
    host, _, port = text.rpartition(":")
    return host, int(port)


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError
    return text


SETTINGS: Mapping[str, Setting] = {
    "engine": Setting(
        "postgres",
        _matching(ENGINE),
        "postgres or aurora",
        "RDS for PostgreSQL, or Aurora PostgreSQL, which has readers and sizes that follow the load",
    ),
    "class": Setting(
        "db.m7g.large",
        _matching(CLASS),
        "an instance class such as db.m7g.large",
        "The size of each server, as RDS names it; by default db.serverless where the engine is aurora",
    ),
    "readers": Setting(
        "0", *_whole(0, 15), "With aurora: servers that only read, behind the output `read_url`, beside the writer"
    ),
    "minCapacity": Setting(
        "2",
        _capacity,
        "a number from 0.5 to 256 in steps of 0.5",
        "With db.serverless: the least capacity of each server, in ACU (2 GiB of memory)",
    ),
    "maxCapacity": Setting(
        "16",
        _capacity,
        "a number from 1 to 256 in steps of 0.5, not below server:minCapacity",
        "With db.serverless: the capacity that each server grows to under load; the most sessions follow from it",
    ),
    "storage": Setting("100", *_whole(20, 65536), "GiB of storage that the server begins with"),
    "maxStorage": Setting("1000", *_whole(22, 65536), "GiB up to which RDS enlarges the storage by itself"),
    "multiAz": Setting(
        "true",
        _flag,
        "true or false",
        "Whether a standby in another zone takes over, at the price of a server; with aurora the first reader is it",
    ),
    "proxy": Setting(
        "false",
        _flag,
        "true or false",
        "Whether `api_url` leads through RDS Proxy, which lends few sessions to many clients",
    ),
    "applyImmediately": Setting(
        "false",
        _flag,
        "true or false",
        "Whether changes that interrupt are made at once; else RDS makes them in the maintenance window after `up`",
    ),
    "backupDays": Setting("14", *_whole(1, 35), "Days back that the server can be restored to any second of"),
    "backupWindow": Setting(
        "02:00-03:00", _window(False), "a window of 30 minutes or more, UTC, such as 02:00-03:00", "When RDS backs up"
    ),
    "maintenanceWindow": Setting(
        "sun:03:30-sun:04:30",
        _window(True),
        "a window of 30 minutes or more, UTC, such as sun:03:30-sun:04:30",
        "When RDS may restart the server; not while it backs up",
    ),
    "network": Setting(
        "10.64.0.0/20",
        _network,
        "a private network of /16 to /24, such as 10.64.0.0/20",
        "The addresses of the network that the server is in; a stack that has one makes another with another server",
    ),
    "zones": Setting(
        '["a", "b"]',
        _list(ZONE, 2, 3),
        "a list of 2 or 3 different zones by their letter, such as [a, b]",
        "The availability zones of the region with a private subnet each",
    ),
    "interfaceEndpoints": Setting(
        "[]",
        _services,
        f"a list of different services such as [secretsmanager, ssm], without {GATEWAY}, which has its own way",
        "The services of AWS that are reached from within the network; each costs by the hour and zone",
    ),
    "healthMetrics": Setting(
        "worst",
        _matching(HEALTH_METRICS),
        "none, worst or objects",
        "Whether a function puts the metrics of `./vpb health` into CloudWatch, with an alarm for each threshold: of "
        "each metric the worst value, or that of each object too, which costs $0.30 a month for each",
    ),
    "reach": Setting(
        "direct",
        _matching(REACH),
        "direct or tunnel",
        "How a run reaches the server: direct from within its network, or by a session of Session Manager",
    ),
    "bastion": Setting(
        "",
        _matching(BASTION),
        "the id of an instance, such as i-0123456789abcdef0, or ecs:CLUSTER_TASK_CONTAINER",
        "With server:reach tunnel: what the session goes through, which may connect to the server",
    ),
    "localPort": Setting(
        "0", *_whole(0, 65535), "With server:reach tunnel: the port of this machine; 0 is one that is free"
    ),
    "rootCertificate": Setting(
        "/etc/ssl/rds/global-bundle.pem",
        _path,
        "an absolute path",
        "The file with the authorities of RDS, here and where the outputs' URLs are used: "
        "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
    ),
    "proxyCertificate": Setting(
        "/etc/ssl/rds/AmazonRootCA1.pem",
        _path,
        "an absolute path",
        "With server:proxy: the file with the authority of its certificate where `api_url` is used: "
        "https://www.amazontrust.com/repository/AmazonRootCA1.pem",
    ),
    "takeOver": Setting(
        "false",
        _flag,
        "true or false",
        "For one run after a lost state: takes over the network and the server that are at AWS",
    ),
    "endpoint": Setting(
        "",
        _endpoint,
        "a host and a port such as 127.0.0.1:5432",
        "With `database:offline` alone: the PostgreSQL that sessions go to, since moto has none",
    ),
}


@dataclass(frozen=True)
class ServerSettings:
    """Every key of the namespace, checked; a field's name is its key's, in snake case."""

    engine: str
    class_: str
    readers: int
    """Those that are asked for."""
    min_capacity: float
    max_capacity: float
    storage: int
    max_storage: int
    multi_az: bool
    proxy: bool
    apply_immediately: bool
    backup_days: int
    backup_window: str
    maintenance_window: str
    network: str
    zones: tuple[str, ...]
    interface_endpoints: tuple[str, ...]
    health_metrics: str
    reach: str
    bastion: str
    local_port: int
    root_certificate: str
    proxy_certificate: str
    take_over: bool
    endpoint: tuple[str, int] | None

    @classmethod
    def load(cls, given: Mapping[str, str]) -> "ServerSettings":
        """The settings of a server that a stack's configuration gives, over the defaults.

        Args:
            given: each key's value as Pulumi hands it on: a list is JSON.

        :raises ServerSettingError: for the first key that can't be used
        """
        for key in sorted(given.keys() - SETTINGS.keys()):
            raise ServerSettingError(key, given[key], f"nothing: there is no such key; there are {', '.join(SETTINGS)}")
        values = {}
        defaults = {"class": SERVERLESS} if given.get("engine") == AURORA else {}
        for key, setting in SETTINGS.items():
            text = given.get(key, defaults.get(key, setting.default))
            try:
                values[_snake(key)] = setting.read(text)
            except ValueError:
                raise ServerSettingError(key, text, setting.allowed) from None
        found = cls(**values)
        found._check_used(given)
        found._check()
        return found

    @property
    def serverless(self) -> bool:
        """Whether each server's size follows the load."""
        return self.class_ == SERVERLESS

    @property
    def size(self) -> str:
        """The class of each server, or between how many ACU it grows and shrinks."""
        return f"{self.min_capacity:g}-{self.max_capacity:g}" if self.serverless else self.class_

    @property
    def servers(self) -> int:
        """How many a cluster of Aurora has, the writer among them."""
        return 1 + max(self.readers, int(self.multi_az))

    @property
    def measures_health(self) -> bool:
        """Whether the metrics of the database's health are in CloudWatch."""
        return self.health_metrics != NONE

    def backs_up_at(self, minute: int) -> bool:
        """Whether AWS Backup begins a backup at this minute of each day; Aurora lets it at any time."""
        begins, length = _span(self.maintenance_window)
        quiet = ((day * DAY_MINUTES + minute - begins + QUIET) % (DAY_MINUTES * 7) for day in range(7))
        return self.engine == AURORA or all(since >= QUIET + length for since in quiet)

    def _check_used(self, given: Mapping[str, str]) -> None:
        """
        :raises ServerSettingError: for a setting whose value nothing would go by
        """
        aurora = self.engine == AURORA
        unused = dict.fromkeys(
            ("storage", "maxStorage") if aurora else (),
            "nothing where server:engine is aurora, whose storage grows by itself",
        )
        if not self.serverless:
            allowed = f"nothing where server:class is {self.class_}"
            unused |= dict.fromkeys(("minCapacity", "maxCapacity"), allowed)
        if not aurora and self.readers:
            allowed = (
                "0 where server:engine is postgres: RDS makes no reader of a server whose password it changes itself"
            )
            unused["readers"] = allowed
        if self.reach != TUNNEL:
            unused |= dict.fromkeys(("bastion", "localPort"), f"nothing where server:reach is {self.reach}")
        elif not self.bastion:
            raise ServerSettingError("bastion", "", f"{SETTINGS['bastion'].allowed} where server:reach is tunnel")
        for key in sorted(key for key in unused.keys() & given.keys() if given[key] != SETTINGS[key].default):
            raise ServerSettingError(key, given[key], unused[key])
        if aurora and not AURORA_CLASS.fullmatch(self.class_):
            allowed = "db.serverless, or a class of r, t or x such as db.r7g.large, where server:engine is aurora"
            raise ServerSettingError("class", self.class_, allowed)
        if self.serverless and not aurora:
            raise ServerSettingError("class", self.class_, "one such as db.m7g.large where server:engine is postgres")

    def _check(self) -> None:
        if not max(1, self.min_capacity) <= self.max_capacity:
            raise ServerSettingError("maxCapacity", self.max_capacity, SETTINGS["maxCapacity"].allowed)
        # RDS wants room for a step: a tenth at least.
        if self.max_storage * 10 < self.storage * 11:
            least = -(-self.storage * 11 // 10)
            raise ServerSettingError(
                "maxStorage", self.max_storage, f"{least} and more where storage is {self.storage}"
            )
        if _overlap(self.backup_window, self.maintenance_window):
            allowed = f"a window that doesn't overlap server:backupWindow, {self.backup_window}"
            raise ServerSettingError("maintenanceWindow", self.maintenance_window, allowed)


def _snake(key: str) -> str:
    # `class` is a word of Python's.
    name = re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", key)
    return "class_" if name == "class" else name

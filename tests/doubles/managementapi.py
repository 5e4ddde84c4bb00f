"""Supabase's management API for one project: the documented calls about its settings, and no others.

Paths, methods, statuses, and the forms of bodies and answers are those of its OpenAPI document; what isn't in there is
404, a body that isn't as there is 400, and a call without the token is 401. A setting that was asked for is in force
only after so many looks at it.
"""

import ipaddress
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

REFERENCE = "abcdefghijklmnopqrst"
TOKEN = "sbp_0102030405060708090a0b0c0d0e0f1011121314"
KEY = "eyJhbGciOiJIUzI1NiJ9.geheim"


class Bad(Exception):
    """A body that the document doesn't allow."""


@dataclass
class Project:
    """A project as the platform has it, and what its API was asked for."""

    token: str = TOKEN
    status: str = "ACTIVE_HEALTHY"
    entitled: bool = True
    asked: dict[str, list[str]] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    restricted: bool = False
    """Whether the restrictions that were asked for last are in force."""
    ssl: bool = False
    ssl_asked: bool | None = None
    ssl_available: bool = True
    pool_size: int | None = None
    pool_mode: str = "transaction"
    backups: list[dict[str, Any]] = field(default_factory=list)
    physical: dict[str, int] = field(default_factory=dict)
    recovery: bool = False
    legacy: bool | None = True
    """None where the platform has taken this call away."""
    looks: int = 0
    """How many looks it takes until what was asked for is in force."""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path behind the project and body of each call, refused ones too."""
    forbidden: set[str] = field(default_factory=set)
    """The paths that the token may not ask."""
    failures: list[tuple[int, Mapping[str, str], str]] = field(default_factory=list)
    """What the next calls are answered instead: status, headers, body."""

    @property
    def written(self) -> list[tuple[str, str, Any]]:
        return [call for call in self.calls if call[0] != "GET"]

    # One method for each documented call.

    def get_project(self, _: Any) -> Any:
        database = {"host": f"db.{REFERENCE}.supabase.co", "version": "17.6.1.001"}
        return {
            **{"id": REFERENCE, "ref": REFERENCE, "organization_id": "o", "organization_slug": "o", "name": "staging"},
            **{"region": "eu-central-1", "created_at": "2026-01-01T00:00:00Z", "status": self.status},
            "database": {**database, "postgres_engine": "17", "release_channel": "ga"},
        }

    def get_networks(self, _: Any) -> Any:
        if self.asked and not self.restricted and not self._waits():
            self.restricted, self.before = True, {}
        found = {
            "entitlement": "allowed" if self.entitled else "disallowed",
            "config": {"dbAllowedCidrs": [], "dbAllowedCidrsV6": []} | self.asked,
            "status": "applied" if self.restricted else "stored",
        }
        return found | ({"old_config": self.before} if self.before else {})

    def apply_networks(self, body: Any) -> Any:
        _known(body, {"dbAllowedCidrs": list, "dbAllowedCidrsV6": list})
        for name, version in (("dbAllowedCidrs", 4), ("dbAllowedCidrsV6", 6)):
            for each in body.get(name, []):
                if ipaddress.ip_interface(each).version != version:
                    raise Bad(f"{name}: Invalid CIDR")
        if not self.entitled:
            raise Bad("Network restrictions are not available")
        self.before = self.asked if self.restricted else self.before
        self.asked, self.restricted = dict(body), not self.looks
        return self.get_networks(None)

    def get_ssl(self, _: Any) -> Any:
        if not self.ssl_available:
            raise Bad("Project is not allowed to configure SSL enforcements")
        if self.ssl_asked is not None and not self._waits():
            self.ssl, self.ssl_asked = self.ssl_asked, None
        return {"currentConfig": {"database": self.ssl}, "appliedSuccessfully": self.ssl_asked is None}

    def put_ssl(self, body: Any) -> Any:
        _known(body, {"requestedConfig": dict}, required=True)
        _known(body["requestedConfig"], {"database": bool}, required=True)
        self.ssl_asked = body["requestedConfig"]["database"]
        return self.get_ssl(None)

    def get_pooler(self, _: Any) -> Any:
        shared = {"identifier": REFERENCE, "is_using_scram_auth": True, "db_user": "postgres", "db_name": "postgres"}
        shared |= {"db_host": "pooler.example", "db_port": 6543, "connection_string": "", "connectionString": ""}
        own = {"default_pool_size": self.pool_size, "max_client_conn": None, "pool_mode": self.pool_mode}
        replica = {**own, "default_pool_size": 7}
        return [shared | replica | {"database_type": "READ_REPLICA"}, shared | own | {"database_type": "PRIMARY"}]

    def patch_pooler(self, body: Any) -> Any:
        _known(body, {"default_pool_size": int, "pool_mode": str})
        if not 0 <= body.get("default_pool_size", 0) <= 3000:
            raise Bad("default_pool_size: must be from 0 to 3000")
        if body.get("pool_mode", "session") not in ("transaction", "session"):
            raise Bad("pool_mode: must be transaction or session")
        self.pool_size = body.get("default_pool_size", self.pool_size)
        self.pool_mode = body.get("pool_mode", self.pool_mode)
        return {"default_pool_size": self.pool_size, "pool_mode": self.pool_mode}

    def get_backups(self, _: Any) -> Any:
        return {
            **{"region": "eu-central-1", "walg_enabled": True, "pitr_enabled": self.recovery},
            **{"backups": self.backups, "physical_backup_data": self.physical},
        }

    def get_keys(self, _: Any) -> Any:
        return [{"name": name, "type": "legacy", "api_key": KEY} for name in ("anon", "service_role")]

    def get_legacy(self, _: Any) -> Any:
        return None if self.legacy is None else {"enabled": self.legacy}

    def _waits(self) -> bool:
        self.looks -= self.looks > 0
        return self.looks > 0


CALLS: dict[tuple[str, str], tuple[Callable[[Project, Any], Any], int]] = {
    ("GET", ""): (Project.get_project, 200),
    ("GET", "/network-restrictions"): (Project.get_networks, 200),
    ("POST", "/network-restrictions/apply"): (Project.apply_networks, 201),
    ("GET", "/ssl-enforcement"): (Project.get_ssl, 200),
    ("PUT", "/ssl-enforcement"): (Project.put_ssl, 200),
    ("GET", "/config/database/pooler"): (Project.get_pooler, 200),
    ("PATCH", "/config/database/pooler"): (Project.patch_pooler, 200),
    ("GET", "/database/backups"): (Project.get_backups, 200),
    ("GET", "/api-keys"): (Project.get_keys, 200),
    ("GET", "/api-keys/legacy"): (Project.get_legacy, 200),
}


def _known(body: Any, properties: Mapping[str, type], required: bool = False) -> None:
    if not isinstance(body, dict) or body.keys() - properties.keys() or (required and body.keys() != properties.keys()):
        raise Bad(f"must be an object of {', '.join(properties)}")
    for name, value in body.items():
        if type(value) is not properties[name]:
            raise Bad(f"{name}: Expected {properties[name].__name__}")


class _Handler(BaseHTTPRequestHandler):
    project: Project

    def _answer(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _call(self) -> None:
        project, length = self.project, int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        root = f"/v1/projects/{REFERENCE}"
        path = self.path.removeprefix(root)
        try:
            body = json.loads(text) if text else None
        except ValueError:
            body = Bad
        project.calls.append((self.command, path, body))
        if project.failures:
            status, headers, said = project.failures.pop(0)
            return self._answer(status, said, headers)
        if self.headers.get("Authorization") != f"Bearer {project.token}":
            return self._answer(401, {"message": "Unauthorized"})
        if path in project.forbidden:
            return self._answer(403, {"message": "Forbidden resource"})
        call = CALLS.get((self.command, path)) if self.path.startswith(root) else None
        if call is None:
            return self._answer(404, {"message": f"Cannot {self.command} {self.path}"})
        try:
            found = call[0](project, body)
        except (Bad, ValueError) as error:
            return self._answer(400, {"message": str(error)})
        return self._answer(404, {"message": "Not Found"}) if found is None else self._answer(call[1], found)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _call

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class ManagementApiDouble:
    """The API, on a free port of this machine."""

    def __init__(self) -> None:
        self.project = Project()
        handler = type("Handler", (_Handler,), {"project": self.project})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

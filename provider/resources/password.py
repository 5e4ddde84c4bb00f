"""A generated password, and the SCRAM verifier that the server gets in its place."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from plugin.server import Context, Resource
from plugin.wire import UNKNOWN
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind

ITERATIONS = 4096
PASSWORD_BYTES = 24


def scram_verifier(password: str, salt: bytes) -> str:
    """The text that PostgreSQL stores for a password, RFC 5803's form as in `src/common/scram-common.c`.

    :param password: ASCII, so that SASLprep (RFC 4013) leaves it alone
    :param salt: 16 random bytes
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


class Password(ObjectKind):
    """24 random bytes as a URL-safe text. It touches no server; `rotation` set to another text makes a new one."""

    token = "pg:index:Password"
    fields = {
        "rotation": Field(str, "any text; another one makes a new password", default="1"),
    }
    outputs = {
        "password": Field(str, "the password", secret=True),
        "verifier": Field(str, "its SCRAM verifier, safe to send to the server", secret=True),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return "password"

    def _generated(self, inputs: dict[str, Any]) -> dict[str, Any]:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        return inputs | {"password": password, "verifier": scram_verifier(password, secrets.token_bytes(16))}

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview:
            return "", inputs | dict.fromkeys(self.outputs, UNKNOWN)
        return secrets.token_hex(8), self._generated(inputs)

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        if not state:
            raise Refused("a password can't be imported; it exists in the state only")
        return Resource(id, state, inputs)

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        return new | dict.fromkeys(self.outputs, UNKNOWN) if preview else self._generated(new)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        pass

"""A generated key pair; the database gets its public half, the readers of sealed values the private one."""

import secrets
from collections.abc import Mapping
from typing import Any

from pgprovider import openpgp
from pgprovider.errors import Refused
from pgprovider.resources.base import Field, ObjectKind
from plugin.server import Context, Resource
from plugin.wire import UNKNOWN


class KeyPair(ObjectKind):
    """OpenPGP, RSA with 2048 bits, as pgcrypto reads it. It touches no server; another pair is another resource."""

    token = "pg:index:KeyPair"
    fields = {}
    outputs = {
        "publicKey": Field(str, "the public half, in base64"),
        "privateKey": Field(str, "the private half, in base64 as URLs have it", secret=True),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return "key pair"

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview:
            return "", inputs | dict.fromkeys(self.outputs, UNKNOWN)
        pair = openpgp.generate()
        return secrets.token_hex(8), inputs | {"publicKey": pair.public, "privateKey": pair.private}

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        if not state:
            raise Refused("a key pair can't be imported; it exists in the state only")
        return Resource(id, state, inputs)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        pass

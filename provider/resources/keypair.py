"""Generated RSA key pairs: what signs the CDN's URLs, and what seals tokens. They exist in the state only."""

import secrets
from collections.abc import Mapping
from typing import Any

from plugin.server import Context, Resource
from plugin.wire import UNKNOWN
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind

# CloudFront takes RSA keys of this length, and no other.
BITS = 2048


class KeyPair(ObjectKind):
    """2048 bits of RSA, in PEM. It touches no server; another resource makes another pair."""

    token = "pg:index:KeyPair"
    fields = {}
    outputs = {
        "privateKey": Field(str, "the key that signs, as PKCS 8", secret=True),
        "publicKey": Field(str, "the key that checks, as SubjectPublicKeyInfo"),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return "key pair"

    def generated(self) -> dict[str, str]:
        """Both keys of a new pair."""
        # Loaded here, since most runs make no key.
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        return {"privateKey": private.decode(), "publicKey": public.decode()}

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview:
            return "", inputs | dict.fromkeys(self.outputs, UNKNOWN)
        return secrets.token_hex(8), inputs | self.generated()

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        if not state:
            raise Refused("a key pair can't be imported; it exists in the state only")
        return Resource(id, state, inputs)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        pass


class SealingKeyPair(KeyPair):
    """OpenPGP, RSA with 2048 bits, as pgcrypto reads it. It touches no server; another pair is another resource."""

    token = "pg:index:SealingKeyPair"
    outputs = {
        "privateKey": Field(str, "the key that opens, in base64 as URLs have it", secret=True),
        "publicKey": Field(str, "the key that seals, in base64"),
    }

    def generated(self) -> dict[str, str]:
        from provider import openpgp

        pair = openpgp.generate()
        return {"privateKey": pair.private, "publicKey": pair.public}

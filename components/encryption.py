"""Encryption: the keys that tokens of sign-in providers are sealed with, and what opens them."""

from dataclasses import dataclass
from typing import Any

import pulumi

import pg
from components.base import Component

TABLE = "private.sealing_keys"
SETTING = "vpb.keys"


@dataclass(frozen=True, kw_only=True)
class EncryptionArgs:
    keys: tuple[str, ...]
    """Names; the first one seals, all of them open."""


class Encryption(Component):
    """A key pair for each name. The database gets the public keys; the private ones stay in the state."""

    session: pulumi.Output[str]
    """What a session that opens tokens starts with; a secret."""

    def __init__(self, name: str, args: EncryptionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, vars(args), opts)
        # One that only opens is about to go.
        pairs = {
            key: pg.SealingKeyPair(f"{name}-{key}", opts=self.child() if key == args.keys[0] else self.going())
            for key in args.keys
        }
        keys = pg.SealingKeys(
            f"{name}-keys",
            table=TABLE,
            order=list(args.keys),
            publicKeys={key: pair.publicKey for key, pair in pairs.items()},
            opts=self.child(),
        )
        self.final = [keys]
        rings = pulumi.Output.all(**{key: pair.privateKey for key, pair in pairs.items()})
        self.session = pulumi.Output.secret(rings.apply(_setting))
        self.register_outputs({"keys": list(args.keys)})


def _setting(ring: dict[str, Any]) -> str:
    return f"-c {SETTING}=" + ",".join(f"{name}:{key}" for name, key in ring.items())

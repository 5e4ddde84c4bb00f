"""Stored settings: those that functions of the database go by, in a table of theirs."""

from dataclasses import dataclass

import pulumi

import pg
from components.base import Component

TABLE = "private.settings"


@dataclass(frozen=True, kw_only=True)
class StoredArgs:
    values: dict[str, str]
    """Name to value, as a JSON text."""


class Stored(Component):
    """The rows of the settings' table, which nobody but the owner's functions reads."""

    def __init__(self, name: str, args: StoredArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, vars(args), opts)
        self.final = [pg.Settings(f"{name}-settings", table=TABLE, values=args.values, opts=self.child())]
        self.register_outputs({"values": args.values})

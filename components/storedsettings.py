"""The settings that functions of the database go by, in a table of theirs."""

from dataclasses import dataclass

import pulumi

import pg
from components.base import Component

TABLE = "private.settings"


@dataclass(frozen=True, kw_only=True)
class StoredSettingsArgs:
    values: dict[str, str]
    """Name to value, as a JSON text."""


class StoredSettings(Component):
    """The rows of the settings' table, which nobody but the owner's functions reads."""

    def __init__(self, name: str, args: StoredSettingsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # Stacks made before know it by this type.
        before = pulumi.ResourceOptions(aliases=[pulumi.Alias(type_="vpb:index:Stored")])
        super().__init__(name, vars(args), pulumi.ResourceOptions.merge(opts, before))
        self.final = [pg.Settings(f"{name}-settings", table=TABLE, values=args.values, opts=self.child())]
        self.register_outputs({"values": args.values})

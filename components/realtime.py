"""Realtime: the publication that Supabase Realtime, or any logical subscriber, reads."""

from dataclasses import dataclass

import pulumi

import pg
from components.base import Component
from declared.schemas import PUBLICATION


@dataclass(frozen=True, kw_only=True)
class RealtimeArgs:
    tables: tuple[str, ...]
    """Published tables; a subscriber's login sees their rows whatever row security says."""


class Realtime(Component):
    """The publication, under the name that Supabase Realtime looks for."""

    def __init__(self, name: str, args: RealtimeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, vars(args), opts)
        publication = pg.Publication(
            f"{name}-publication",
            name=PUBLICATION,
            tables=sorted(args.tables),
            opts=self.child(),
        )
        self.final = [publication]
        self.register_outputs({"tables": sorted(args.tables)})

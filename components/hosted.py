"""The project that hosts the database, where a platform's management API sets something of it."""

from dataclasses import dataclass

import pulumi

import pg
from components.base import Component, after
from declared.hostedproject import HostedProject


@dataclass(frozen=True, kw_only=True)
class HostedArgs:
    project: HostedProject


class Hosted(Component):
    """Comes after everything else: a change of it can restart the database."""

    def __init__(self, name: str, args: HostedArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.project.declared, opts)
        project = pg.HostedProject(f"{name}-project", **args.project.declared, opts=self.child())
        self.final = [project]
        self.register_outputs({"recovery": project.recovery, "legacy": project.legacy})


def declare(project: HostedProject | None, database: pg.Provider, last: Component) -> Component:
    """The project, after what the program has ended with so far; what it ends with then."""
    if project is None:
        return last
    providers = pulumi.ResourceOptions(providers={"pg": database})
    return Hosted("hosted", HostedArgs(project=project), after(providers, last))

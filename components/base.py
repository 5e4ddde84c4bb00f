"""What all components share: options that the engine doesn't hand down to children, and who waits for whom."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi


class Component(pulumi.ComponentResource):
    """A component whose children wait for whatever the component itself waits for."""

    final: Sequence[pulumi.Resource] = ()
    """What is in the database when all of it is. What comes after the component waits for these alone.

    Waiting for the component would name every child in every resource that comes after it: a hundred times a hundred
    names, which cost the program and the engine more than all else that they do.
    """

    def __init__(self, name: str, properties: Mapping[str, Any], options: pulumi.ResourceOptions | None) -> None:
        super().__init__(f"vpb:index:{type(self).__name__}", name, dict(properties), options)
        waits_for = options.depends_on if options is not None else None
        self._waits_for: list[Any] = list(waits_for) if isinstance(waits_for, list) else []

    def child(self, *siblings: pulumi.Resource) -> pulumi.ResourceOptions:
        """The options of a child that comes after `siblings`; without any, after what the component waits for."""
        return pulumi.ResourceOptions(parent=self, depends_on=list(siblings) or self._waits_for)

    def going(self) -> pulumi.ResourceOptions:
        """The options of a child that is about to go, also where `DataGuard` would keep it."""
        return pulumi.ResourceOptions.merge(self.child(), pulumi.ResourceOptions(protect=False))

    def again(self, id: str | None, *siblings: pulumi.Resource) -> pulumi.ResourceOptions:
        """The options of a child that is taken over where it is there already, which its id says."""
        return pulumi.ResourceOptions.merge(self.child(*siblings), pulumi.ResourceOptions(import_=id))


def after(options: pulumi.ResourceOptions, *components: Component) -> pulumi.ResourceOptions:
    """`options` of a component that stands on others."""
    stands_on = [resource for component in components for resource in component.final]
    return pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=stands_on))


def silence_debug() -> None:
    """Drop the debug messages of Pulumi's SDK, unless PULUMI_SDK_DEBUG is set.

    It sends each by a call that it waits for, and the engine shows none without `--debug`: four for each resource, a
    quarter of what a run with nothing to do costs.
    """
    if not os.environ.get("PULUMI_SDK_DEBUG"):
        pulumi.log.debug = lambda *_args, **_named: None


async def wait_for(component: Component) -> None:
    """Wait for what `component` ends with.

    After the program's last line the SDK looks through all pending outputs at each answer of the engine, hundreds at
    hundreds; when this has waited, few are left. The SDK reports an error, since it waits for the same resources.
    """
    await asyncio.gather(*(resource.urn.future() for resource in component.final), return_exceptions=True)

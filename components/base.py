"""What all components share: options that the engine doesn't hand down to a component's children."""

from collections.abc import Mapping
from typing import Any

import pulumi


class Component(pulumi.ComponentResource):
    """A component whose children wait for whatever the component itself waits for."""

    def __init__(self, name: str, properties: Mapping[str, Any], options: pulumi.ResourceOptions | None) -> None:
        super().__init__(f"vpb:index:{type(self).__name__}", name, dict(properties), options)
        waits_for = options.depends_on if options is not None else None
        self._waits_for: list[Any] = list(waits_for) if isinstance(waits_for, list) else []

    def child(self, *depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
        """The options of a child that also waits for `depends_on`."""
        return pulumi.ResourceOptions(parent=self, depends_on=[*self._waits_for, *depends_on])

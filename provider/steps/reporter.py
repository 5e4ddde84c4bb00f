"""Where the progress of a run is shown."""

from typing import Protocol


class Reporter(Protocol):
    """The engine's context, or a terminal."""

    async def status(self, message: str) -> None:
        """Show until the next one."""

    async def info(self, message: str) -> None:
        """Leave in the report of the run."""

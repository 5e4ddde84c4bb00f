"""What every part of the toolchain is given: the cache, the user's environment and where to say what goes on."""

import hashlib
import platform
from dataclasses import dataclass

from toolchain.cache import Cache
from toolchain.errors import ToolchainError
from toolchain.progress import Progress


@dataclass(frozen=True)
class Context:
    """One call of `ensure`.

    Args:
        may_make: False asks only for what is there.
    """

    cache: Cache
    environ: dict[str, str]
    progress: Progress
    may_make: bool = True

    def choice(self, variable: str, *ways: str) -> str:
        """The user's choice in an environment variable: one of the ways, the first where nothing is set."""
        chosen = self.environ.get(variable) or ways[0]
        if chosen not in ways:
            raise ToolchainError(f"{variable}={chosen}: known are {', '.join(ways)}")
        return chosen

    def must_make(self, what: str) -> None:
        """Refuses where nothing may be made."""
        if not self.may_make:
            raise ToolchainError(f"{what}: not there yet; `python3 -m toolchain ensure` makes it")


def key(*parts: object) -> str:
    """A short name for what the parts say together, on this kind of machine."""
    # One home folder may serve machines of several kinds.
    text = "\0".join(str(part) for part in (platform.system(), platform.machine(), *parts))
    return hashlib.sha256(text.encode()).hexdigest()[:12]

"""The instants of which there are backups: what lay in the object store then stays as long as the backup."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops.storage.cleaning.files import Version

# The clocks of the database and of the object store needn't agree.
TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Instants:
    """Instants, the oldest first."""

    taken: Sequence[datetime] = ()

    def hold(self, version: Version) -> bool:
        """Whether a version was its key's newest at one of them; of a delete marker, whether it hides such a one."""
        if version.marker:
            return version.below is not None and self.hold(version.below)
        next = bisect_left(self.taken, version.changed - TOLERANCE)
        return next < len(self.taken) and (version.until is None or self.taken[next] <= version.until + TOLERANCE)

    def leave(self, version: Version) -> bool:
        """Whether there is nothing to do about a version that is to go: it is held, and no reader finds it."""
        return self.hold(version) and (version.marker or not version.latest)

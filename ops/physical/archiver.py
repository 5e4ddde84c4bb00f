"""What takes WAL from the server into the archive, for as long as it runs.

The order that loses nothing: pg_receivewal flushes a segment to the spool, then the slot lets the server remove it; we
store it, which is flushed too, and only then it leaves the spool. What lies there when we begin is sent first.
"""

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import psycopg

from ops.backups import programs
from ops.backups.errors import BackupError, BadBackup
from ops.backups.places import Place
from ops.database import Connection, UnreachableError
from ops.errors import answered
from ops.physical import receiving, records, segments, server
from ops.physical.archive import Archive
from ops.physical.receiving import Receiver
from ops.physical.unpacking import INSTALLED

EVERY = 60.0
# Seconds between looks into the spool, between lines of progress, and until what failed is tried again.
LOOK, TELL, AGAIN, LONGEST = 0.2, 60.0, 1.0, 30.0
# Seconds until what fails in the same way is said again.
REMIND = 600.0
# Seconds that a receiver of before gets to let go of the slot.
PATIENCE = 15.0
# Seconds that one which was killed while it started pg_receivewal may hold its lock.
LINGERS = 3.0
PASSES = (UnreachableError, psycopg.Error)


@dataclass
class Archiver:
    """An archive that follows a server."""

    stack: str
    url: str
    """Of a login that may read WAL."""
    place: Place
    recipients: Sequence[Any]
    spool: Path
    every: float = EVERY
    """Seconds after which what was written is in the archive at the latest."""
    say: Callable[[str], None] = lambda line: None
    stopped: Event = field(default_factory=Event)

    stored: int = field(default=0, init=False)
    """Segments that this run has stored."""
    gap: str = field(default="", init=False)
    """A segment that the archive misses, and that this run found the server to have no more; empty where none."""

    def run(self, once: bool = False) -> None:
        """Until it is stopped.

        Args:
            once: until what is written now is stored.

        :raises BackupError: where it can't go on: the slot has lost WAL, or the archive holds something else
        """
        self._once, self._end, self._told, self._trouble = once, 0, 0.0, ""
        self._reminded = 0.0
        self._switched, self._seen, self._wait, self._retry, self._later = time.monotonic(), "", AGAIN, 0.0, 0.0
        self._since: datetime | None = None
        self._session: Connection | None = None
        try:
            session = self._connected()
            self._facts = server.facts(session)
            self._refuse_without_rights()
            self._slot = server.slot_name(self.stack)
            self._archive = Archive(self.place, self._facts.system)
            self._folder = self.spool / self._facts.system
            with self._one_line():
                for folder in (self.spool, self._folder):
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    folder.chmod(0o700)
                with _alone(self._folder):
                    self._follow(session)
        finally:
            if self._session:
                self._session.close()

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """
        :raises BackupError: in the place of what a file system has said no with
        """
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            if self._folder.is_dir():
                raise BackupError(answered(error) or f"{error.filename or self._folder}: {why}") from None
            if isinstance(error, FileNotFoundError):
                raise BackupError(f"{self._folder}: was removed, or can't be made; run this again") from None
            raise BackupError(f"{self.spool}: --spool must name a folder that can be written: {why}") from None

    def _follow(self, session: Connection) -> None:
        self._programs = programs.found(self._facts.version)
        self._find_reader()
        self._send()
        kept = server.keep(session, self._slot)
        self._tidy(kept)
        self._say_gap(kept)
        if self._once:
            self._end = server.switch(session)
        self._free(session)
        receiver = Receiver(self._programs, self.url, self._slot, self._folder)
        try:
            while not self.stopped.is_set() and not self._done(kept):
                receiver = self._going(receiver)
                self._send()
                self._switch()
                self._calm_down()
                self.stopped.wait(LOOK)
        finally:
            receiver.stop()
        self._send()
        self._tell(last=True)

    def _done(self, kept: server.Slot) -> bool:
        """Whether all is stored that was written when a single run began."""
        if not self._once:
            return False
        assert kept.restart is not None
        last = (self._end - 1) // self._facts.segment
        before = last < kept.restart // self._facts.segment
        return before or segments.name(self._facts.timeline, last, self._facts.segment) in self._archive.stored

    def _going(self, receiver: Receiver) -> Receiver:
        """The receiver, or another one where it has ended, such as with the server."""
        if (why := receiver.ended()) is None or time.monotonic() < self._retry:
            return receiver
        refused = self._refused(why) or (BackupError(f"pg_receivewal: {why}") if self._once else None)
        self._failed(f"pg_receivewal: {why}", refused)
        receiver.stop()
        found = None
        with suppress(*PASSES):
            found = server.slot(self._connected(), self._slot)
        self._tidy(found)
        return Receiver(self._programs, self.url, self._slot, self._folder)

    def _tidy(self, kept: server.Slot | None) -> None:
        """Have pg_receivewal begin where it can."""
        for name in receiving.tidied(self._folder, self._facts.segment, kept.restart if kept else None):
            self._lack(name)

    def _refused(self, why: str) -> BackupError | None:
        """Why it is of no use to try again; None where it may be."""
        if "has already been removed" in why or "can no longer access replication slot" in why:
            return server.lost(self._slot)
        with suppress(*PASSES):
            if session := self._connected():
                found = server.slot(session, self._slot)
                if found is None:
                    return BackupError(
                        f"replication slot {self._slot}: somebody has dropped it; run this again, and "
                        "make a new base backup: `./vpb backup --physical`"
                    )
                if found.status == "lost":
                    return server.lost(self._slot)
        return None

    def _send(self) -> None:
        """Store what is complete; what can't be stored now stays, and is tried again."""
        if time.monotonic() < self._later:
            return
        for path in receiving.whole(self._folder):
            self._check(path)
            try:
                new = self._archive.store(path, self.recipients)
            except BackupError:
                raise
            except Exception as error:
                if not (said := answered(error)):
                    raise
                self._failed(f"{said}; {path.name} stays in {self._folder}", error if self._once else None)
                self._later = self._retry
                return
            self.stored += new and bool(segments.SEGMENT.fullmatch(path.name))
            path.unlink()
            self._recovered()
            self._tell()

    def _check(self, path: Path) -> None:
        if not segments.SEGMENT.fullmatch(path.name):
            return
        try:
            data = path.read_bytes()
            segments.checked(path.name, data, self._facts.system, self._facts.segment)
            records.checked(path, data, self._reader)
        except BadBackup as error:
            raise BackupError(
                f"{path}: {error}; nothing of it was stored: move it elsewhere, run this again, and make a new base "
                "backup: `./vpb backup --physical`"
            ) from None

    def _find_reader(self) -> None:
        major = self._facts.version // 10_000
        own = programs.of_embedded()
        folders = [self._programs, *([own] if own else []), *(Path(each.format(major)) for each in INSTALLED)]
        self._reader = records.reader(self._facts.version, folders)
        if self._reader is None:
            self.say(
                f"pg_waldump of PostgreSQL {major}: isn't installed; of segments pages are checked, and no records"
            )

    def _switch(self) -> None:
        """End the segment, where something was written since the last time; a quiet server makes no segments."""
        if self._once or time.monotonic() < self._switched + self.every:
            return
        self._switched = time.monotonic()
        try:
            session = self._connected()
            seen, _ = server.seen(session)
            if seen != self._seen:
                server.switch(session)
            self._seen = seen
        except PASSES as error:
            self._session = None
            self._failed(answered(error) or str(error))

    def _connected(self) -> Connection:
        if self._session is None or self._session.closed:
            self._session = server.opened(self.url)
        return self._session

    def _failed(self, line: str, error: Exception | None = None) -> None:
        """Said once for each trouble, and again where it lasts; tried again after a while."""
        if error is not None:
            raise error
        if line != self._trouble or time.monotonic() > self._reminded + REMIND:
            self._reminded = time.monotonic()
            self.say(f"{line}; trying again")
        self._wait = min(LONGEST, self._wait * 2) if self._trouble else AGAIN
        self._trouble, self._retry = line, time.monotonic() + self._wait
        self._since = self._since or datetime.now(UTC)
        self._show()

    def _show(self) -> None:
        """Let the health of the database see that what has come can't be stored, or can again."""
        with suppress(*PASSES):
            server.name_trouble(self._connected(), self._slot, self._since)

    def _calm_down(self) -> None:
        """A quiet server has nothing to store, which would show that the trouble is over."""
        quiet = time.monotonic() > self._retry + self.every + AGAIN
        if self._since and quiet and not receiving.whole(self._folder):
            self._recovered()

    def _recovered(self) -> None:
        if self._trouble:
            self.say("going on")
            self._since = None
            self._show()
        self._trouble, self._retry, self._later, self._wait = "", 0.0, 0.0, AGAIN

    def _tell(self, last: bool = False) -> None:
        if self.stored and (last or time.monotonic() > self._told + TELL):
            self._told = time.monotonic()
            self.say(f"segments archived: {self.stored}, the last is {self._archive.names[-1]}")

    def _say_gap(self, kept: server.Slot) -> None:
        """What was in a spool that is gone isn't kept by the slot any more."""
        assert kept.restart is not None
        size = self._facts.segment
        next_one = kept.restart // size
        numbers = [segments.numbered(each, size)[1] for each in self._archive.names]
        if numbers and max(numbers) + 1 < next_one:
            self._lack(segments.name(self._facts.timeline, max(numbers) + 1, size))

    def _lack(self, missing: str) -> None:
        if missing != self.gap:
            self.gap = missing
            self.say(
                f"WAL segment {missing}: isn't in the archive, and the slot keeps it no more, as after a spool that "
                "was removed or a slot that was dropped; make a new base backup: `./vpb backup --physical`"
            )

    def _refuse_without_rights(self) -> None:
        if not self._facts.switches:
            raise BackupError(
                "the login may not end a segment of WAL, so what is written on a quiet server would wait: "
                "`grant execute on function pg_switch_wal() to …`, as a superuser"
            )

    def _free(self, session: Connection) -> None:
        """Wait until a receiver of before has let go of the slot.

        :raises BackupError: where something else reads from it
        """
        until = time.monotonic() + PATIENCE
        while (found := server.slot(session, self._slot)) and found.active:
            if time.monotonic() > until:
                raise BackupError(
                    f"replication slot {self._slot}: process {found.active} of the server serves somebody else "
                    "from it; one archiver at a time"
                )
            time.sleep(LOOK)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as handle:
        until = time.monotonic() + LINGERS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > until:
                    raise BackupError(f"{folder}: another archiver is at work there") from None
                time.sleep(LOOK)
            else:
                break
        yield

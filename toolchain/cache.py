"""The cache folder: what is in it is complete, made once, and safe against two makers and against a cut.

A folder counts only with its `.complete` marker, which is written last. Making runs under a lock file, which the
kernel frees when the maker and its commands have ended, however they ended.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain.progress import Progress

MARKER = ".complete"


@dataclass(frozen=True)
class Making:
    """A folder while it is made: what the maker needs.

    Args:
        scratch: for temporary files; dropped at the end.
        kept: the descriptor of the lock, for `process.run`.
    """

    folder: Path
    scratch: Path
    log: Path
    kept: int


@dataclass(frozen=True)
class Cache:
    """The cache folder at `root`, which need not exist yet."""

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Cache":
        """The folder that the environment asks for: `VPB_CACHE`, else one in the user's cache."""
        if own := environ.get("VPB_CACHE"):
            return cls(Path(own).expanduser().absolute())
        base = environ.get("XDG_CACHE_HOME") or "~/.cache"
        return cls(Path(base).expanduser().absolute() / "visual-prompt-builder")

    @property
    def home(self) -> Path:
        """Pulumi's own folder, where the user names none."""
        return self.root / "home"

    @property
    def bytecode(self) -> Path:
        """What Python has compiled, each file under the whole path of its source."""
        return self.root / "bytecode"

    def complete(self, name: str) -> bool:
        """Whether the folder `name` is there and whole."""
        return (self.root / name / MARKER).exists()

    def read(self, name: str) -> dict[str, Any]:
        """The notes in the file `name`; none where there is no such file or it can't be read."""
        try:
            notes = json.loads((self.root / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def write(self, name: str, notes: Mapping[str, Any]) -> None:
        """Writes the notes so that a reader sees the old file or the new one, never a part."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # With the process in its name, since two may write the same notes at a time.
        part = target.with_name(f"{target.name}.{os.getpid()}")
        with part.open("w", encoding="utf-8") as file:
            json.dump(notes, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)

    @contextmanager
    def making(self, name: str, progress: Progress) -> Iterator[Making | None]:
        """Gives the empty folder `name` to be made, or None where another maker has made it meanwhile.

        The folder is complete when the block ends, and gone when the block fails.
        """
        with self.lock(name, progress) as kept:
            if self.complete(name):
                yield None
                return
            making = Making(self.root / name, self.root / "tmp" / name, self.root / "logs" / f"{name}.log", kept)
            # A maker that fails clears up after itself; only a killed one leaves something behind.
            if making.folder.exists():
                progress.say(f"{name}: an earlier attempt was cut off and is made again")
            self._remove(making)
            for folder in (making.folder, making.scratch, making.log.parent):
                folder.mkdir(parents=True, exist_ok=True)
            making.log.write_bytes(b"")
            try:
                yield making
                self.write(f"{name}/{MARKER}", {})
            except BaseException:
                self._remove(making)
                raise
            shutil.rmtree(making.scratch)

    @contextmanager
    def lock(self, name: str, progress: Progress | None) -> Iterator[int]:
        """Holds the lock `name`; where another process holds it, says so once and waits.

        Raises:
            BlockingIOError: it is held, and there is no `progress` to say so, which means not to wait.
        """
        file = self.root / "locks" / f"{name}.lock"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not progress:
                    raise
                lock.seek(0)
                progress.say(f"{name}: waiting for process {lock.read() or '?'}, which is at it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            # The file stays when all is done: who removes it parts those that wait for it.
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield lock.fileno()

    def remove(self, name: str) -> None:
        """Removes a folder; what a cut leaves of it doesn't count as complete."""
        folder = self.root / name
        (folder / MARKER).unlink(missing_ok=True)
        shutil.rmtree(folder)

    def _remove(self, making: Making) -> None:
        for folder in (making.folder, making.scratch):
            if folder.exists():
                shutil.rmtree(folder)


def folder_size(folder: Path) -> int:
    """The bytes of all files below, links not followed."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            total += os.lstat(os.path.join(path, name)).st_size
    return total

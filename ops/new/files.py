"""What a command writes: all of it is known before the first file is touched, and nothing is ever written over."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from declared import folders
from ops.errors import CommandError


@dataclass
class FileChanges:
    """Files to make and files to edit, with their whole new text, and files that go, in a checkout."""

    root: Path
    made: dict[str, str] = field(default_factory=dict)
    edited: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)

    def make(self, path: str, text: str) -> None:
        """
        :raises CommandError: where there is such a file
        """
        if os.path.lexists(self.root / path):
            raise CommandError(f"{path}: is there already; nothing was written")
        self.made[path] = text

    def text(self, path: str) -> str:
        """The text of a file as this change leaves it.

        :raises CommandError: where it can't be read
        """
        if path in self.edited:
            return self.edited[path]
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "isn't UTF-8"
            raise CommandError(f"{path}: can't be read: {reason}; nothing was written") from None

    def edit(self, path: str, text: str) -> None:
        self.edited[path] = text

    def format(self) -> None:
        """Python as `make format` leaves it, where ruff is installed: how a line is broken depends on names."""
        for texts in (self.made, self.edited):
            for path in (path for path in texts if path.endswith(".py")):
                command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", path, "-"]
                done = subprocess.run(command, cwd=self.root, input=texts[path].encode(), capture_output=True)
                if done.returncode == 0:
                    texts[path] = done.stdout.decode()

    def write(self) -> None:
        """Write all of it; where a file can't be written, none stays.

        :raises CommandError: with the file and the reason
        """
        written: list[str] = []
        before: dict[str, bytes] = {}
        path = ""
        try:
            for path in self.edited:
                before[path] = (self.root / path).read_bytes()
            for path, text in self.made.items():
                # Not even one that has come since.
                with (self.root / path).open("x", encoding="utf-8") as file:
                    written.append(path)
                    file.write(text)
            for path, text in self.edited.items():
                folders.replace(self.root / path, text.encode())
            for path in self.gone:
                before[path] = (self.root / path).read_bytes()
                (self.root / path).unlink()
        except BaseException as error:
            for made in written:
                with suppress(OSError):
                    (self.root / made).unlink()
            for old, content in before.items():
                with suppress(OSError):
                    _put_back(self.root / old, content)
            if isinstance(error, OSError):
                reason = f"{path}: can't be written: {error.strerror}; nothing was written"
                raise CommandError(reason) from None
            raise


def _put_back(path: Path, content: bytes) -> None:
    if path.exists():
        folders.replace(path, content)
    else:
        path.write_bytes(content)

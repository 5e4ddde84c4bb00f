"""The pages: what a reader types, the files and the output that a page shows, and a bare shell to type it in."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from declared.paths import CHECKOUT
from harness.checkout import MARK, Scratch

COOKBOOK = "docs/cookbook.md"
FENCE = re.compile(r"^```(?P<kind>[a-z]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# A sentence that ends with a colon names the file of the blocks below it.
FILE = re.compile(r"`([\w./-]+\.\w+)`[^`\n]*:\n\n\Z")
# What finds something ends with 2.
FINDS = re.compile(r"\b(drift|audit|preview|status|scan)\b")
STATUS = re.compile(r"# status (\d+)")
VARIABLES = {"PATH", "HOME", "LANG", "TMPDIR", "VPB_DATA", "XDG_CACHE_HOME", MARK}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    """`sh`, `text`, `sql`, `diff` and so on."""
    text: str
    line: int
    file: str = ""
    """The file whose content or change it is."""

    @property
    def commands(self) -> list[str]:
        """Of a shell block, one by one."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip()]


def blocks(page: str) -> Iterator[Block]:
    """All blocks of a page in its order."""
    file, end = "", 0
    for match in FENCE.finditer(page):
        between = page[end : match.start()]
        named = FILE.search(between)
        if named or between.strip() or match["kind"] == "sh":
            file = named[1] if named else ""
        end = match.end()
        yield Block(match["kind"], match["text"], page.count("\n", 0, match.start()) + 1, file)


def recipes() -> dict[str, str]:
    """The cookbook's parts by their headings, padded so that lines have the page's numbers."""
    text = (CHECKOUT / COOKBOOK).read_text()
    starts = [match.start() for match in re.finditer(r"^## ", text, re.MULTILINE)]
    parts = zip(starts, [*starts[1:], len(text)], strict=True)
    return {
        text[start + 3 : text.index("\n", start)]: "\n" * text.count("\n", 0, start) + text[start:end]
        for start, end in parts
    }


class Followed:
    """A recipe that a test of its subject follows on a copy, command by command."""

    def __init__(self, copy: Scratch, recipe: str) -> None:
        self._copy = copy
        self._blocks = blocks(recipes()[recipe])
        self._commands: list[str] = []

    def to(self, begins: str) -> str:
        """Go on to the next command that begins so, and run it; what it says."""
        while True:
            while self._commands:
                command = self._commands.pop(0)
                said = run(self._copy, command)
                if command.startswith(begins):
                    return said
            block = next(self._blocks)
            if block.kind == "sh":
                self._commands = block.commands
            else:
                write(self._copy.folder, block)

    def ended(self) -> bool:
        """Whether nothing of it is left."""
        return not self._commands and not [*self._blocks]


def shell(copy: Scratch, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a page has it, in a shell that has nothing of this project's environment."""
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command.replace("/var/lib/clamav", ".local")],
        cwd=copy.folder,
        env={name: value for name, value in copy.environment.items() if name in VARIABLES},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run(copy: Scratch, command: str) -> str:
    """What a command says; its status is that of the comment `# status N`, else 0, or 2 for what finds things."""
    done = shell(copy, command)
    stated = STATUS.search(command)
    allowed = [int(stated[1])] if stated else [0, 2] if FINDS.search(command) else [0]
    said = done.stdout + done.stderr
    assert done.returncode in allowed, f"{command}: status {done.returncode}\n{said[-2000:]}"
    assert "Traceback" not in said
    return said


def write(root: Path, block: Block) -> None:
    """Write the file of a block, or make its change: a diff has lines of the file, one after the other.

    `NNNN` is the number that the migration has been given.
    """
    folder, _, name = block.file.rpartition("/")
    found = [*(root / folder).glob(name.replace("NNNN", "[0-9][0-9][0-9][0-9]"))]
    (path,) = found or [root / block.file]
    text = block.text.replace("NNNN", path.name[:4])
    if block.kind == "diff":
        lines = text.splitlines(keepends=True)
        before, after = ("".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +"))
        was = path.read_text()
        assert was.count(before) == 1, f"{block.file} has these lines {was.count(before)} times:\n{before}"
        text = was.replace(before, after)
    path.write_text(text)


def missing(shown: str, said: str) -> list[str]:
    """The lines that a page shows and a command hasn't said; `…` stands for anything, `NNNN` for any number."""
    # What the engine does side by side has no order.
    found = [" ".join(line.split()) for line in said.splitlines()]
    left = []
    for line in shown.splitlines():
        words = re.escape(" ".join(line.split())).replace("…", ".*").replace("NNNN", r"\d{4}")
        if not any(re.fullmatch(words, each) for each in found):
            left.append(line)
    return left

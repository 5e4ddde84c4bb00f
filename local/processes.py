"""What the system says of a process, where it has /proc."""

import subprocess
from pathlib import Path


def state_and_parent(pid: int) -> tuple[str, int]:
    """Its state, one letter, and its parent's id.

    :raises OSError: where it's gone, or there is no /proc
    """
    # The program's name comes before, in brackets, and may hold anything.
    state, parent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
    return state, int(parent)


def is_zombie(pid: int) -> bool:
    """Whether it has ended and was not yet reaped, which in a container can take long."""
    try:
        return state_and_parent(pid)[0] == "Z"
    except OSError:
        return False


def command_line(pid: int) -> bytes:
    """What it was started with; nothing where it's gone."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""
    return subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, check=False).stdout


def serves(pid: int, folder: Path) -> bool:
    """Whether it is at work in a folder, as a server is in its data directory: another one may have the number now."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder.resolve()
    except OSError:
        words = ["ps", "-p", str(pid), "-o", "args="]
        return str(folder) in subprocess.run(words, capture_output=True, text=True, check=False).stdout


def process_ids() -> list[int]:
    """Every process of the machine, as far as it is shown to us."""
    if Path("/proc/self").exists():
        return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    listed = subprocess.run(["ps", "-axo", "pid="], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in listed.split()]

"""Commands that the toolchain runs: long ones under a guard and with a log, short ones for their answer."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolchain.errors import BuildFailed

GUARD = Path(__file__).with_name("guard.py")
ANSWER_SECONDS = 60
# What guards watch, of the commands that run now; and whether no other is to begin.
_watched: set[int] = set()
_over = threading.Event()


def run(
    command: Sequence[object],
    *,
    log: Path,
    kept: int,
    environ: Mapping[str, str],
    cwd: Path | None = None,
    timeout: float | None = None,
) -> None:
    """Runs a command to its end, its output appended to the log.

    Args:
        kept: the descriptor of the lock under which it runs; it is inherited, so that the lock is free only when the
            last process of the command has ended.

    Raises:
        BuildFailed: the command failed, or took longer than `timeout` seconds.
    """
    words = [str(word) for word in command]
    reader, writer = os.pipe()
    guard = _guarded(words, log, (reader, kept), environ, cwd)
    os.close(reader)
    _watched.add(writer)
    try:
        if _over.is_set():
            raise BuildFailed(f"{Path(words[0]).name} was ended")
        status = guard.wait(timeout)
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{Path(words[0]).name} took longer than {timeout:.0f} s") from None
    finally:
        _watched.discard(writer)
        # Closing the pipe ends whatever still runs; waiting for it keeps the folder free of late writers.
        os.close(writer)
        guard.wait()
    if status:
        raise BuildFailed(last_words(log) or f"{Path(words[0]).name} ended with status {status}")


@contextmanager
def ended() -> Iterator[None]:
    """Ends the commands of all threads, and begins no other within the block."""
    _over.set()
    try:
        for pipe in tuple(_watched):
            os.write(pipe, b"x")
        yield
    finally:
        _over.clear()


def _guarded(
    words: Sequence[str], log: Path, inherited: tuple[int, int], environ: Mapping[str, str], cwd: Path | None
) -> "subprocess.Popen[bytes]":
    """The guard with the command: it ends it when the pipe is closed, the first of what is `inherited`."""
    with log.open("ab") as output:
        output.write(f"$ {' '.join(words)}\n".encode())
        output.flush()
        return subprocess.Popen(
            [sys.executable, "-IS", str(GUARD), *map(str, inherited), *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=inherited,
            # Ctrl-C must reach this process alone, which then ends the command in order.
            start_new_session=True,
            env=dict(environ),
            cwd=cwd,
        )


def answer(command: Sequence[object], environ: Mapping[str, str]) -> str:
    """What a short command prints.

    Raises:
        BuildFailed: it failed, or said nothing for a minute.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_SECONDS,
            env=dict(environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no answer within {ANSWER_SECONDS} s"
        raise BuildFailed(f"{words[0]}: {reason}") from None
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise BuildFailed(said.splitlines()[-1] if said else f"{words[0]} ended with status {done.returncode}")
    return done.stdout.strip()


def last_words(log: Path) -> str:
    """The line of the log that says best what went wrong: the last one marked as an error, else the last one."""
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text[-20_000:].splitlines() if line.strip() and not line.startswith("$ ")]
    # pip and pulumi mark their errors and go on talking; Go says the error last.
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or [""])[-1]

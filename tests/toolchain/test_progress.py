"""What the user sees while a long step goes on."""

import io
import sys
import time

import pytest

from toolchain import progress
from toolchain.progress import Progress, duration, size


def test_a_long_step_without_terminal_says_from_time_to_time_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.02)
    lines: list[str] = []
    with Progress(lines.append).task("engine", "builds, since it must") as task:
        while len(lines) < 3:
            time.sleep(0.01)
        task.note = "134 MB"
    assert lines[0] == "engine: builds, since it must ..."
    assert set(lines[1:-1]) == {"engine: still at it after 0 s"}
    assert lines[-1] == "engine: done in 0 s, 134 MB"


def test_a_step_that_fails_is_not_said_to_be_done() -> None:
    lines: list[str] = []
    with pytest.raises(OSError, match="no room"):
        with Progress(lines.append).task("engine", "builds"):
            raise OSError("no room")
    assert lines == ["engine: builds ..."]


def test_a_terminal_shows_the_time_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "LIVE_SECONDS", 0.02)
    with Progress().task("engine", "builds"):
        while "0 s" not in terminal.getvalue():
            time.sleep(0.01)
    shown = terminal.getvalue()
    assert "\r\033[Kengine: 0 s\r" in shown
    assert shown.endswith("\r\033[Kengine: done in 0 s\n")


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (44.4, "44 s"), (59.6, "1 min 0 s"), (312, "5 min 12 s")])
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(900, "0.0 MB"), (2_500_000, "2.5 MB"), (133_900_000, "134 MB")])
def test_sizes_are_in_megabytes(number: int, text: str) -> None:
    assert size(number) == text

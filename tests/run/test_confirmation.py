"""What is lost for good is asked for, unless it was said on the command line."""

import io
import sys

import pytest

from ops import confirmation
from ops.errors import CommandError


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def test_who_says_yes_beforehand_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    confirmation.sure("this deletes all", yes=True)


def test_without_a_terminal_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    with pytest.raises(CommandError, match=r"^this deletes all; confirm with --yes$"):
        confirmation.sure("this deletes all", yes=False)


@pytest.mark.parametrize("answer", ["", "\n", "y\n", "no\n"])
def test_any_other_answer_is_a_no(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(CommandError, match="not confirmed; nothing was deleted"):
        confirmation.sure("this deletes all", yes=False)


def test_yes_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    confirmation.sure("this deletes all", yes=False)
    assert capsys.readouterr() == ("", "this deletes all\nType yes to go on: ")

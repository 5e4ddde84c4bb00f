"""What Python loads at the start of the program and of the plugins."""

import subprocess
import sys
from pathlib import Path

import pytest

from declared.paths import CHECKOUT

SHOW = "import gc, signal; print(gc.isenabled(), signal.getsignal(signal.SIGINT) is signal.SIG_DFL)\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [("pulumi-language-python-exec", "False True"), ("pulumi-resource-pg", "True True")],
    ids=["the program looks for no garbage", "a plugin does, since one may work for hours"],
)
def test_ctrl_c_shows_no_stack_trace_and(name: str, said: str, tmp_path: Path) -> None:
    script = tmp_path / name
    script.write_text(SHOW)
    environ = {"PYTHONPATH": str(CHECKOUT / "run" / "quiet")}
    done = subprocess.run([sys.executable, script], env=environ, capture_output=True, text=True, check=True, timeout=20)
    assert (done.stdout.strip(), done.stderr) == (said, "")

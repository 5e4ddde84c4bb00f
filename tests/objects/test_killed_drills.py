"""What a drill that is killed leaves: a server that runs, and files that hold rows. The next one takes it away."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pyrage
import pytest

from declared.paths import CHECKOUT
from harness import recovery, runfolders, scratch
from local import postgres
from local.processes import state_and_parent
from ops.backups import checking, drill, making, places
from ops.physical import making as basing

pytestmark = pytest.mark.xdist_group("physical")
IDENTITY = pyrage.x25519.Identity.generate()
KILLED = """
import sys, time
from pathlib import Path
from ops.backups import checking, drill, places, sealing
from ops.physical.drill import PhysicalDrill
folder, kind = sys.argv[1:]
found = checking.named(places.Folder(Path(folder) / "place"), None, kind)
keys = sealing.identities(Path(folder) / "key.txt")
def reached(*_):
    (Path(folder) / kind).touch()
    time.sleep(60)
if kind == "physical":
    PhysicalDrill(found, keys).run(reached)
else:
    drill.Drill(found, keys, jobs=1, progress=lambda step: reached() if step == "structure" else None).run()
"""


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where runs make their folders: those of other tests are elsewhere."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        Path(made).chmod(0o755)
        for name in ("TMPDIR", "VPB_DATA"):
            monkeypatch.setenv(name, made)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(made)
    tempfile.tempdir = None


def killed(folder: Path, kind: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder), kind], cwd=CHECKOUT)
    until = time.monotonic() + 60
    while not (folder / kind).exists():
        assert process.poll() is None, "it has ended by itself"
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()


def one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def runs(process: int) -> bool:
    """Whether it is there; a server removes its file a moment before it ends, and may then wait to be reaped."""
    try:
        return state_and_parent(process)[0] != "Z"
    except OSError:
        return False


def test_the_next_drill_ends_the_servers_of_killed_ones_and_removes_their_files(folder: Path):
    place = places.Folder(folder / "place")
    with scratch.server() as started:
        psycopg.connect(started.url(), autocommit=True).execute("create database app").connection.close()
        url = started.url("app")
        basing.Basing("dev", url, place, [IDENTITY.to_public()]).run()
        making.Making("dev", url, place, [IDENTITY.to_public()], jobs=1).run()
    (folder / "key.txt").write_text(f"{IDENTITY}\n")
    killed(folder, "physical")
    killed(folder, "logical")
    recovered, dump = one(folder, "vpb-recovery-*"), one(folder, "visual-prompt-builder-restore-*/schema.dump")
    scratched = one(folder, f"{scratch.PREFIX}*")
    found = [postgres.postmaster(recovered / "data"), postgres.process_id(scratched / scratch.SERVER)]
    servers = [process for process in found if process]
    assert (len(servers), dump.stat().st_size > 0) == (2, True)
    # Somebody is at these, or they are another account's, or somebody has led them elsewhere.
    with recovery.folder() as held:
        other, led = folder / "vpb-recovery-other", folder / "vpb-recovery-led"
        shutil.copytree(held, other)
        led.symlink_to(held)
        if os.geteuid() == 0:
            os.chown(other / runfolders.LOCK, 65534, 65534)
        else:
            (other / runfolders.LOCK).unlink()
        assert not recovered.exists()
        with recovery.folder():
            pass
        assert (held.is_dir(), other.is_dir(), led.is_symlink()) == (True, True, True)
    assert drill.Drill(checking.named(place, None), [IDENTITY]).run().passed
    until = time.monotonic() + 10
    while any(map(runs, servers)):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["key.txt", "logical", "physical", "place", other.name, led.name]
    )

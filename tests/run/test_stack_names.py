"""Names of stacks from outside: refused before anything starts, and never a way out of the stack's own folder."""

import fcntl
import os
import shutil
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from declared import folders, naming
from declared.awsnames import AwsNames
from declared.paths import CHECKOUT
from harness.checkout import Finished, Scratch
from run import engine, state

BAD = ["", " ", ".", "..", "../..", "/", "dev/../..", "state", "passphrase", "Feature_X", "-x", "x-", "1st", "a" * 31]
BAD += ["dev\n", "größe", "a b", "a.b", "a;b"]
# Each with the words that come before `--stack`.
COMMANDS = {
    "up": (),
    "preview": (),
    "drift": (),
    "maintain": (),
    "audit": (),
    "rekey": (),
    "down": (),
    "migrate": ("status",),
    "storage": ("usage",),
    "people": ("departures",),
    "scan": ("--once",),
    "sign": ("download", "audio", "6f1c9a52-7a43-4be0-8f6e-000000000000/x"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_none_becomes_no_path(name):
    for use in (naming.stack, folders.stack_folder, state.checkpoint):
        with pytest.raises(naming.NameRefused) as caught:
            use(name)
        assert str(caught.value).startswith(f"stack {name!r}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["dev", "a", "pr-12", "a--b", "a" * 30])
def test_a_good_name_fits_into_a_folder_and_a_bucket(name):
    assert folders.stack_folder(name) == CHECKOUT / ".local" / name
    assert len(AwsNames(name, "123456789012").bucket("objects")) <= 63


@pytest.fixture(scope="module")
def copy() -> Iterator[Scratch]:
    """A copy in which one stack was made and none is provisioned."""
    with Scratch("made") as scratch:
        assert scratch.pulumi("stack", "init").status == 0
        yield scratch


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "__pycache__" not in path.parts}


def refused(run: Finished) -> str:
    """The one line of a run that was refused."""
    assert run.status == 1, run.output
    assert run.output.count("\n") == 1, run.output
    return run.output


def ops(scratch: Scratch, command: str, stack: str) -> Finished:
    return scratch.start("-m", "ops", command, *COMMANDS[command], f"--stack={stack}").wait()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_refuses_a_bad_name_and_an_unknown_stack_and_leaves_nothing(copy, command):
    before = everything(copy.folder)
    # One function refuses them, as it does what there isn't.
    for name in ("../..", "") if command in ("up", "down") else ():
        assert "a stack's name has a-z, 0-9 and -" in refused(ops(copy, command, name))
    if command != "up":
        said = refused(ops(copy, command, "typo"))
        assert said == "error: there is no stack typo; there are: made; `make up STACK=typo` makes one\n"
    assert everything(copy.folder) == before
    assert copy.processes() == []


@pytest.mark.parametrize("name", [name for name in BAD if name.strip()])
def test_down_deletes_nothing_for_a_name_that_is_none(copy, name):
    before = everything(copy.folder.parent)
    assert "error: stack " in refused(ops(copy, "down", name))
    assert everything(copy.folder.parent) == before


PULUMI = {
    "a new stack": (("stack", "init", "Feature_X"), "stack 'Feature_X': a stack's name has"),
    "a new name": (("stack", "rename", "state", "--stack", "made"), "stack 'state': this name is taken in .local"),
    "an empty name": (("preview", "--stack", ""), "stack '': a stack's name has"),
    "an empty name after =": (("up", "--yes", "--stack="), "stack '': a stack's name has"),
    "a path": (("destroy", "--yes", "-s", "../.."), "stack '..': a stack's name has"),
    "a path in one word": (("destroy", "--yes", "-s../.."), "stack '..': a stack's name has"),
    "a bad last part": (("config", "--stack", "organization/database/A"), "stack 'A': a stack's name has"),
    "no such stack": (("preview", "--stack", "typo"), "there is no stack typo; there are: made; "),
    "no such stack, by a flag first": (("--color", "never", "up", "-s", "typo"), "there is no stack typo; "),
}


@pytest.mark.parametrize("case", PULUMI)
def test_pulumiw_refuses_it_too(copy, case):
    arguments, said = PULUMI[case]
    before = everything(copy.folder)
    assert refused(copy.start("-m", "run", *arguments).wait()).startswith(f"error: {said}")
    assert everything(copy.folder) == before
    assert copy.processes() == []


GROUPED = {
    ("up", "-ys", "dev"): "dev",
    ("up", "-fysdev"): "dev",
    ("up", "-ys=dev"): "dev",
    ("-vs", "up"): None,
    ("up", "-msome text"): None,
    ("up", "-y"): None,
}


@pytest.mark.parametrize("words", GROUPED, ids=" ".join)
def test_a_stack_in_a_word_of_several_options_is_found(words, monkeypatch):
    monkeypatch.delenv("PULUMI_STACK", raising=False)
    assert engine._named(words) == GROUPED[words]
    assert engine._command(["-ys", "dev", "up"]) == "up"


def test_two_first_runs_have_one_passphrase_and_none_is_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "CHECKOUT", tmp_path)
    (tmp_path / ".local").mkdir()
    first = state.passphrase()
    content = first.read_text()
    assert (len(content) > 20, stat.S_IMODE(first.stat().st_mode)) == (True, 0o600)
    monkeypatch.setattr(state, "_give_up_unreadable", lambda: None)
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert state.passphrase().read_text() == content
    assert [path.name for path in (tmp_path / ".local").iterdir()] == ["passphrase"]


def test_who_only_looks_is_in_no_run_s_way(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "CHECKOUT", tmp_path)
    monkeypatch.setattr(state, "stack_folder", lambda stack: tmp_path / ".local" / stack)
    with state.alone("dev", "", True):
        pass
    with (tmp_path / ".local" / "dev" / "run.lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        with state.alone("dev", "", True):
            assert state.under_way("dev")


def test_the_run_before_is_the_last_one_that_had_the_stack_also_where_it_was_waited_for(tmp_path, monkeypatch):
    ended: list[str] = []
    monkeypatch.setattr(folders, "CHECKOUT", tmp_path)
    monkeypatch.setattr(state, "stack_folder", lambda stack: tmp_path / ".local" / stack)
    monkeypatch.setattr(state, "end_left_over", lambda mark, stack: ended.append(mark))
    with state.alone("dev", "", True):
        pass
    with (tmp_path / ".local" / "dev" / "run.lock").open("r+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def end() -> None:
            print("another run", end="", file=other, flush=True)
            fcntl.flock(other, fcntl.LOCK_UN)

        threading.Timer(0.1, end).start()
        with state.alone("dev", "this run", True):
            assert ended == ["", "another run"]


def test_another_name_than_the_stack_s_confirms_nothing(copy):
    said = refused(copy.start("-m", "ops", "down", "--stack", "made", "--confirm", "other").wait())
    assert said == "error: stack made: --confirm names 'other'; nothing was destroyed\n"
    assert copy.checkpoint.exists()


def test_a_qualified_name_is_the_stack_that_it_ends_in(copy):
    run = copy.start("-m", "run", "stack", "ls", "--stack", "organization/database/made").wait()
    assert "there is no stack" not in run.output
    shown = copy.start("-m", "run", "stack", "--show-name", "--stack", "organization/database/made").wait()
    assert shown.output.strip() == "made"


def test_a_stack_s_file_that_is_no_yaml_is_one_line_at_the_door(copy):
    path = copy.folder / "Pulumi.made.yaml"
    path.write_bytes(b"config:\n\tdatabase:target: local\n")
    try:
        for arguments in (("-m", "run", "preview"), ("-m", "ops", "down"), ("-m", "ops", "preview")):
            said = refused(copy.start(*arguments, "--stack", "made").wait())
            assert said.startswith("error: Pulumi.made.yaml:2: is no YAML: found character")
        # Another stack's file is in no stack's way.
        path.write_bytes("# größe\n".encode("latin-1"))
        assert copy.start("-m", "run", "stack", "ls").wait().status == 0
    finally:
        path.unlink()
    assert copy.processes() == []


def test_down_follows_no_link_and_takes_no_folder_for_a_stack(copy):
    outside = copy.folder.parent / "outside"
    outside.mkdir()
    (outside / "services.json").write_text("{}")
    local = copy.folder / ".local"
    (local / "linked").symlink_to(outside)
    (local / "notes").mkdir()
    (local / "notes" / "mine.txt").write_text("mine")
    try:
        shutil.copy(copy.checkpoint, copy.checkpoint.with_name("linked.json"))
        assert "isn't a folder of its own in .local: nothing was removed" in refused(ops(copy, "down", "linked"))
        assert copy.checkpoint.with_name("linked.json").exists(), "nor its state"
        copy.checkpoint.with_name("linked.json").unlink()
        assert "there is no stack notes; there are: made" in refused(ops(copy, "down", "notes"))
        assert (outside / "services.json").exists()
        assert (local / "notes" / "mine.txt").exists()
    finally:
        (local / "linked").unlink()
        shutil.rmtree(local / "notes")
        shutil.rmtree(outside)


ENSURE = "import sys; from local import services; services.ensure(sys.argv[1], embedded=False)"
REMOVE = "import sys; from local import services; services.remove(sys.argv[1])"


def motos(scratch: Scratch) -> list[int]:
    return [process.pid for process in scratch.processes() if "local.moto" in process.command]


def python(scratch: Scratch, code: str) -> None:
    run = scratch.start("-m", "timeit", "-n1", "-r1", code.replace("sys.argv[1]", repr(scratch.stack))).wait()
    assert run.status == 0, run.output


def test_a_moto_whose_folder_was_deleted_under_it_is_found_and_stopped(copy):
    python(copy, ENSURE)
    (first,) = motos(copy)
    folder = copy.folder / ".local" / "made"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "its owner's alone, whatever .local is"
    shutil.rmtree(folder)
    python(copy, ENSURE)
    (second,) = motos(copy)
    assert second != first
    shutil.rmtree(folder)
    python(copy, REMOVE)
    assert motos(copy) == []
    assert not folder.exists()


def test_a_stack_whose_state_is_lost_is_still_taken_down(copy):
    with Scratch("lost") as scratch:
        python(scratch, ENSURE)
        run = ops(scratch, "down", "lost")
        assert run.status == 0, run.output
        assert motos(scratch) == []
        assert not (scratch.folder / ".local").exists()


def test_services_are_not_taken_from_under_a_run(copy):
    with Scratch("busy") as scratch:
        python(scratch, ENSURE)
        with (scratch.folder / ".local" / "busy" / "run.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            refused = ops(scratch, "down", "busy")
        assert (refused.status, "another run is under way" in refused.output) == (1, True)
        assert len(motos(scratch)) == 1
        assert ops(scratch, "down", "busy").status == 0
        assert motos(scratch) == []


def test_after_the_last_stack_what_is_not_ours_stays(copy):
    with Scratch("last") as scratch:
        python(scratch, ENSURE)
        (scratch.folder / ".local" / "mine.txt").write_text("mine")
        assert ops(scratch, "down", "last").status == 0
        assert everything(scratch.folder / ".local") == {"mine.txt"}


def test_a_folder_that_others_could_read_is_closed(copy):
    folder = copy.folder / ".local" / "made"
    folder.mkdir()
    folder.chmod(0o755)
    try:
        python(copy, ENSURE)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((copy.folder / ".local" / "state").stat().st_mode) == 0o700
    finally:
        python(copy, REMOVE)
        for pid in motos(copy):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("content", "kept"), [("encryptionsalt: v1:x\n", False), ("", False), ("config:\n  a:b: c\n", True)]
)
def test_only_a_file_with_settings_outlives_its_stack(tmp_path, monkeypatch, content, kept):
    monkeypatch.setattr(engine, "CHECKOUT", tmp_path)
    file = tmp_path / "Pulumi.pr-1.yaml"
    file.write_text(content)
    engine.forget_file("pr-1")
    assert file.exists() == kept
    assert engine.declared("pr-1") == kept

"""The engine on PATH: whether it will do, asked once for each installation and then remembered."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from toolchain import versions
from toolchain.cache import Making
from toolchain.context import Context, key
from toolchain.errors import BuildFailed

NEEDED = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")
WELCOME = ("pulumi-analyzer-policy-python", "pulumi-resource-pulumi-python")


@dataclass(frozen=True)
class Finding:
    """What PATH offers; `reason` says why it won't do, and is empty where it will."""

    programs: dict[str, Path]
    version: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        """Changes with each installed file."""
        return key("path", *(_fingerprint(path) for path in self.programs.values()))

    @property
    def notes(self) -> str:
        """Where the answer is remembered in the cache."""
        return f"found/{self.key}.json"

    def link(self, making: Making) -> None:
        """Makes a `bin` folder of links, so that the wrapper finds every engine in the same shape."""
        folder = making.folder / "bin"
        folder.mkdir()
        for name, path in self.programs.items():
            (folder / name).symlink_to(path)


def find(context: Context) -> Finding:
    """Looks at the engine on PATH; the cache's own engines, which the wrapper puts there, are left out."""
    path = _outside(context.cache.root, context.environ.get("PATH", ""))
    engine = shutil.which("pulumi", path=path)
    if not engine:
        return Finding({}, reason="there is no pulumi on PATH")
    # The engine looks for its host on PATH first, then in its own folder, links followed.
    beside = f"{path}{os.pathsep}{Path(engine).resolve().parent}"
    which = {name: shutil.which(name, path=beside) for name in (*NEEDED, *WELCOME)}
    finding = Finding({name: Path(program) for name, program in which.items() if program})
    notes = context.cache.read(finding.notes)
    if not notes:
        notes = _judge(context, finding)
        if context.may_make:
            context.cache.write(finding.notes, notes)
            if notes["reason"]:
                context.progress.say(f"engine: not the one on PATH: {notes['reason']}")
    return Finding(finding.programs, notes["version"], notes["reason"])


def _judge(context: Context, finding: Finding) -> dict[str, str]:
    from toolchain.process import answer

    engine = finding.programs["pulumi"]
    try:
        said = answer([engine, "version"], context.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"})
    except BuildFailed as error:
        return {"version": "", "reason": f"{engine} version failed: {error}"}
    version, oldest = versions.numbers(said), versions.numbers(versions.OLDEST_ENGINE)
    reason = ""
    if missing := [name for name in NEEDED if name not in finding.programs]:
        reason = f"{engine} comes without {' and '.join(missing)}"
    # A next major version may read this project's stacks differently.
    if version < oldest or version[0] != oldest[0]:
        reason = f"{engine} is {said or 'of no version'}, needed is {versions.OLDEST_ENGINE} or newer"
    return {"version": ".".join(map(str, version)), "reason": reason}


def _outside(cache: Path, path: str) -> str:
    folders = [folder for folder in path.split(os.pathsep) if folder]
    return os.pathsep.join(folder for folder in folders if not Path(folder).is_relative_to(cache))


def _fingerprint(path: Path) -> str:
    status = path.stat()
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"

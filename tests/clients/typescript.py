"""The TypeScript package as an app has it: compiled as strictly as its own settings say, among the app's packages."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from toolchain import versions
from toolchain.node import Packages

NAME = "visual-prompt-builder"
# What an app compiles with; `noEmit`, since only the types are looked at.
SETTINGS = """{
  "extends": "./package/tsconfig.json",
  "compilerOptions": { "noEmit": true, "rootDir": ".", "noUnusedLocals": false },
  "include": ["*.ts"]
}"""


@dataclass(frozen=True)
class App:
    """A folder whose `node_modules` has the package, and pg and supabase-js beside it."""

    packages: Packages
    folder: Path

    def run(self, *words: str | Path, given: str = "") -> "subprocess.CompletedProcess[str]":
        """A program of Node, with this text as its input."""
        return subprocess.run(
            [self.packages.node, "--no-warnings", *words],
            cwd=self.folder,
            input=given,
            env=self.packages.environment(os.environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def build(self, name: str) -> Path:
        """A program of the folder as JavaScript, compiled as strictly; the compiler has nothing against it."""
        settings = {
            "extends": "./package/tsconfig.json",
            "compilerOptions": {"rootDir": ".", "outDir": "out"},
            "files": [name],
        }
        (self.folder / "build.json").write_text(json.dumps(settings))
        done = self.run(self.folder / "package" / "node_modules" / "typescript" / "bin" / "tsc", "-p", "build.json")
        assert done.returncode == 0, done.stdout
        return (self.folder / "out" / name).with_suffix(".js")

    def compile(self) -> str:
        """What the compiler says against the folder's programs; empty for nothing."""
        return self.run(self.folder / "package" / "node_modules" / "typescript" / "bin" / "tsc", "-p", ".").stdout


def app(folder: Path, own: Packages, clients: Packages) -> App:
    """An app with the package, compiled in there.

    Args:
        own: what the package pins, the compiler among it.
        clients: what the app has beside it.
    """
    package = folder / "package"
    shutil.copytree(versions.TYPESCRIPT, package, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (package / "node_modules").symlink_to(own.modules)
    modules = folder / "node_modules"
    (modules / "@types").mkdir(parents=True)
    (modules / NAME).symlink_to(package)
    for name in ("pg", "ws", "@supabase", "@auth", "oauth2-mock-server"):
        (modules / name).symlink_to(clients.modules / name)
    for name in ("@types/pg", "@types/node"):
        (modules / name).symlink_to(own.modules / name)
    (folder / "package.json").write_text('{"name": "app", "private": true, "type": "module"}')
    (folder / "tsconfig.json").write_text(SETTINGS)
    made = App(clients, folder)
    done = made.run(own.modules / "typescript" / "bin" / "tsc", "-p", package)
    assert done.returncode == 0, done.stdout
    return made

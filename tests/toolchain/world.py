"""A small world for the toolchain: a checkout, a package index and programs of its own, and nothing of the machine's.

What would take minutes is a script that answers at once; locks, processes, signals, `venv` and `pip` are real.
"""

import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from toolchain import versions

ENGINE = versions.engine_version()
MACHINE_COMMANDS = ("sh", "cat", "chmod", "env", "mkdir", "sleep", "touch")

PULUMI = """#!/bin/sh
[ "$1" = version ] && echo "v{version}"
[ "$1" = plugin ] || exit 0
echo "$4" >> "$CALLS.plugins"
[ -n "$PLUGINS_SERVED" ] || {{ echo "error: no such host" >&2; exit 1; }}
mkdir -p "$PULUMI_HOME/plugins/resource-$4-v$5"
"""
GO = """#!/bin/sh
echo "$@" >> "$CALLS.go"
if [ "$1" = env ]; then echo "go{go}"; exit; fi
if [ "$1" = -C ]; then
  mkdir -p "$GOMODCACHE/python/cmd" "$GOMODCACHE/python/dist"
  touch "$GOMODCACHE/python/cmd/pulumi-language-python-exec" "$GOMODCACHE/python/dist/pulumi-analyzer-policy-python"
  echo "$GOMODCACHE"; exit
fi
case "$GOOS $GOFLAGS" in *plan9*|*vendor*) echo "built for $GOOS with $GOFLAGS" >&2; exit 1;; esac
touch written-by-go
[ -z "$GO_FAILS" ] || {{ echo "$GO_FAILS" >&2; exit 1; }}
[ -z "$GO_SECONDS" ] || sleep "$GO_SECONDS"
mkdir -p "${{5%/*}}"
cat > "$5" <<'END'
{pulumi}END
chmod +x "$5"
"""
AUTOMATION = """
import os, pathlib, shutil
class PulumiCommand:
    @staticmethod
    def install(root, version):
        if not os.environ.get("RELEASE_SERVED"):
            raise OSError("no such host")
        shutil.copytree(os.environ["RELEASE_SERVED"], pathlib.Path(root) / "bin")
"""
SEMVER = """
class VersionInfo:
    parse = staticmethod(str)
"""


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def pulumi(folder: Path, version: str = ENGINE, *, host: bool = True) -> Path:
    """An engine as an installation has it."""
    if host:
        program(folder / "pulumi-language-python", "#!/bin/sh\n")
        program(folder / "pulumi-language-python-exec", "#!/bin/sh\n")
    return program(folder / "pulumi", PULUMI.format(version=version))


def go(version: str, engine: str = ENGINE) -> str:
    return GO.format(go=version, pulumi=PULUMI.format(version=engine))


def wheel(index: Path, name: str, version: str, files: dict[str, str]) -> None:
    """A package in the index; its files may be run."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(index / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, text)


@dataclass
class World:
    """A machine as the toolchain sees it."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def checkout(self) -> Path:
        return self.root / "the checkout"

    @property
    def cache(self) -> Path:
        return self.root / "the cache"

    @property
    def path(self) -> Path:
        """The first folder of PATH."""
        return self.root / "programs"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "toolchain", *words]

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.checkout,
            env=self.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **environ)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def ensure(self, **environ: str) -> dict[str, str | bool]:
        """The result of a call that must do well."""
        done = self.run("ensure", "--json", **environ)
        assert done.returncode == 0, done.stderr
        result: dict[str, str | bool] = json.loads(done.stdout)
        return result

    def refused(self, *words: str, **environ: str) -> str:
        """The last line of a call that must fail: one for the user, without a stack trace."""
        done = self.run(*(words or ("ensure",)), **environ)
        assert (done.returncode, done.stdout) == (1, "")
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()[-1]

    def calls(self, name: str) -> list[str]:
        """How the script of that name was called."""
        file = Path(f"{self.environ['CALLS']}.{name}")
        return file.read_text().splitlines() if file.exists() else []

    def folders(self, pattern: str) -> list[str]:
        return sorted(path.name for path in self.cache.glob(pattern))

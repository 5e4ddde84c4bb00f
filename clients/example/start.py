"""What `make example` does: packages, the built client, the variables of a stack, then the app under Node.

The app itself is JavaScript and knows nothing of this file; who has Node and npm can do the same (README.md).
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import toolchain
from toolchain import node, versions

HERE = Path(__file__).resolve().parent
CLIENT = "visual-prompt-builder"
BUILT = versions.CHECKOUT / "build" / "example" / CLIENT
# The logins of an app's server; all others are for operations.
OURS = ("DATABASE_URL", "AUTH_DATABASE_URL")


def main() -> int:
    """Goes on as Node, with the scenario or the page; 1 with one line where it can't."""
    parser = argparse.ArgumentParser(prog="make example", description=__doc__)
    parser.add_argument("--stack", default="dev", help="the environment")
    parser.add_argument(
        "--page", default="", help="serve the page on this port, 0 for any; without it the scenario runs"
    )
    options = parser.parse_args()
    if options.page and not (options.page.isascii() and options.page.isdigit() and int(options.page) < 65536):
        print(f"error: PAGE is {options.page!a}, and must be a port, 0 to 65535", file=sys.stderr)
        return 1
    try:
        packages = prepare()
        given = variables(options.stack)
    except toolchain.ToolchainError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    program = ["page.mjs", options.page] if options.page else ["scenario.mjs"]
    # The operator's commands are named as from here.
    os.chdir(versions.CHECKOUT)
    command = [str(packages.node), "--no-warnings", str(HERE / program[0]), *program[1:]]
    os.execve(command[0], command, {**packages.environment(os.environ), **given})


def prepare() -> node.Packages:
    """Installs what the lock file pins, builds the client, and links both where Node looks for them.

    Raises:
        ToolchainError: a package can't be had, or the client doesn't compile
    """
    context = toolchain.context_of()
    packages, own = node.ensure(context, HERE), node.ensure(context, versions.TYPESCRIPT)
    build(own)
    modules = HERE / "node_modules"
    if modules.is_symlink() or not modules.is_dir():
        modules.unlink(missing_ok=True)
        modules.mkdir()
    for entry in [*packages.modules.iterdir(), BUILT]:
        link = modules / entry.name
        if not entry.name.startswith(".") and (not link.is_symlink() or link.readlink() != entry):
            if link.is_dir() and not link.is_symlink():
                raise toolchain.ToolchainError(f"{link} was installed by npm; delete {modules}, and it is made again")
            link.unlink(missing_ok=True)
            link.symlink_to(entry)
    return packages


def build(own: node.Packages) -> None:
    """Compiles the client package, unless that was done with these sources."""
    sources = sorted([*versions.TYPESCRIPT.glob("*.json"), *versions.TYPESCRIPT.glob("src/*")])
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sources) + str(own.modules).encode()).hexdigest()
    made = BUILT / "made-of"
    if made.exists() and made.read_text() == digest:
        return
    shutil.rmtree(BUILT, ignore_errors=True)
    shutil.copytree(versions.TYPESCRIPT, BUILT, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (BUILT / "node_modules").symlink_to(own.modules)
    compiler: list[str | Path] = [own.node, own.modules / "typescript" / "bin" / "tsc", "-p", BUILT]
    done = subprocess.run(compiler, capture_output=True, text=True, check=False)
    if done.returncode:
        raise toolchain.ToolchainError(f"clients/typescript doesn't compile: {done.stdout.splitlines()[0]}")
    made.write_text(digest)


def variables(stack: str) -> dict[str, str]:
    """What `./vpb env` says of a stack, as the app wants it.

    Raises:
        ToolchainError: there is no such stack, or none with an API
    """
    command = [sys.executable, "-m", "ops", "env", "--stack", stack, "--all", "--secrets", "--format", "json"]
    asked = subprocess.run(command, cwd=versions.CHECKOUT, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise toolchain.ToolchainError(
            asked.stderr.strip().removeprefix("error: ") or f"stack {stack} has no variables"
        )
    found: dict[str, str] = json.loads(asked.stdout)
    if "SUPABASE_URL" not in found:
        file = f"Pulumi.{stack}.yaml"
        raise toolchain.ToolchainError(
            f"stack {stack} has no API: add `database:api: true` to the config of {file}, then ./vpb up --stack {stack}"
        )
    unless_given = {
        "SCAN": f"./vpb scan --stack {stack}",
        "EXPORT": f"./vpb people export-person --stack {stack}",
        # No output is a login that may replicate; on this machine the superuser does it.
        "REPLICATION_DATABASE_URL": found["ADMIN_DATABASE_URL"],
    }
    return {
        **{name: os.environ.get(name, value) for name, value in unless_given.items()},
        **{name: value for name, value in found.items() if name in OURS or not name.endswith("DATABASE_URL")},
    }


if __name__ == "__main__":
    sys.exit(main())

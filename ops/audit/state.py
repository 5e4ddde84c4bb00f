"""Rules on what lies beside the servers: the state, the stack's settings, the files of the local services."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from declared.paths import CHECKOUT
from ops.audit.model import Audited, NotSeen, Row, Rule, Severity

# What a secret looks like in clear text. The state writes ciphertext in the place of what is marked as one.
SECRETS = {
    "a SCRAM verifier": re.compile(r"SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$"),
    "a URL with a password": re.compile(r"\b[a-z][a-z0-9+]*://[^\s:/@]+:[^\s@/]+@"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a signed token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}"),
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
}
SECRET_NAMES = re.compile(r"(password|passwd|secret_?key|private_?key|api_?key|token)$", re.IGNORECASE)


def in_state(audited: Audited) -> Iterator[Row]:
    """Secrets in clear text, by resource and property; never the secret itself."""
    for resource in audited.resources():
        for part in ("inputs", "outputs"):
            for path, what in _found(resource.get(part) or {}, part):
                yield {"object": f"state of {resource['urn'].rsplit('::', 1)[1]}", "path": path, "what": what}


def in_settings(audited: Audited) -> Iterator[Row]:
    """Secrets in clear text in the stack's file."""
    audited.resources()
    for number, line in enumerate(_lines(CHECKOUT / f"Pulumi.{audited.stack}.yaml"), start=1):
        for what in _kinds(line):
            yield {"object": f"Pulumi.{audited.stack}.yaml", "line": number, "what": what}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


def _kinds(text: str) -> list[str]:
    return [what for what, pattern in SECRETS.items() if pattern.search(text)]


def _found(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, entry in value.items():
            deeper = f"{path}.{name}"
            if SECRET_NAMES.search(name) and isinstance(entry, str) and entry and not _kinds(entry):
                yield deeper, "a text under the name of a secret"
            yield from _found(entry, deeper)
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _found(entry, f"{path}[{number}]")
    elif isinstance(value, str):
        yield from ((path, what) for what in _kinds(value))


def readable(audited: Audited) -> Iterator[Row]:
    """Files of the local services that another account could read."""
    audited.resources()
    folder = CHECKOUT / ".local"
    if not folder.exists():
        raise NotSeen("the state isn't in this checkout")
    if folder.stat().st_mode & 0o077:
        yield {"object": ".local", "command": f"chmod 700 {folder.name}"}
    for name in ("passphrase", f"{audited.stack}/services.json", f"{audited.stack}/server.json"):
        path = folder / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield {"object": f".local/{name}", "command": f"chmod 600 .local/{name}"}


RULES = (
    Rule(
        "state-secret",
        Severity.critical,
        "a secret in clear text in the state",
        "{what} lies in {path} in clear text",
        "mark it as a secret in the program, make up, then rotate it",
        in_state,
        ("AWS SecretsManager.1",),
    ),
    Rule(
        "settings-secret",
        Severity.critical,
        "a secret in clear text in the stack's settings",
        "line {line} holds {what} in clear text",
        "./pulumiw config set --secret …, then rotate it",
        in_settings,
    ),
    Rule(
        "files-readable",
        Severity.high,
        "files with passwords that other accounts of the machine can read",
        "other accounts of this machine can read it, or look inside",
        "{command}",
        readable,
    ),
)

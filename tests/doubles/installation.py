"""What the doubles of hosted services share: a server that takes TLS only and trusts the extensions of the service."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from local import postgres
from local.paths import data_folder
from tests.conftest import FAST
from tests.doubles import tls

HBA = "hostssl all all all scram-sha-256\n"


@contextmanager
def running(
    name: str, trusted: Sequence[str], settings: Mapping[str, str], brought: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[postgres.RunningServer, Path]]:
    """A new server and the certificate of its authority, gone afterwards.

    Its host-based authentication asks for TLS from the next reload of its configuration on.

    Args:
        trusted: extensions that a login which isn't superuser may make.
        brought: extensions that PostgreSQL itself doesn't have, each to its script; trusted too.
    """
    with tempfile.TemporaryDirectory(prefix=f"visual-prompt-builder-{name}-") as made:
        folder = Path(made)
        # Another account runs a server that root starts.
        folder.chmod(0o755)
        programs = _copied(folder, trusted, brought)
        authority = tls.authority(folder, "authority")
        tls.certificate(authority, folder)
        files = {"ssl_cert_file": str(folder / "server.crt"), "ssl_key_file": str(folder / "server.key")}
        server = postgres.ensure(folder / "server", programs, FAST | settings | files | {"ssl": "on"})
        try:
            (data_folder(folder / "server") / "postgres" / "pg_hba.conf").write_text(HBA)
            yield server, authority
        finally:
            postgres.remove(folder / "server", programs)


def _copied(folder: Path, trusted: Sequence[str], brought: Mapping[str, str]) -> Path:
    """The folder of the copied programs, with which a login that isn't superuser may make the extensions."""
    copy = folder / "installation"
    shutil.copytree(postgres.wheel_binaries().parent, copy, symlinks=True)
    (known,) = copy.rglob("plpgsql.control")
    for name, script in brought.items():
        (known.parent / f"{name}.control").write_text("default_version = '1.0'\n")
        (known.parent / f"{name}--1.0.sql").write_text(script)
    for name in (*trusted, *brought):
        (control,) = copy.rglob(f"{name}.control")
        control.write_text(control.read_text() + "trusted = true\n")
    return copy / postgres.wheel_binaries().name

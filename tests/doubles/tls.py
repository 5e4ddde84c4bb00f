"""Authorities and certificates for servers that take TLS only, made with openssl when a test needs them."""

import os
import shutil
import subprocess
from pathlib import Path

from local.paths import server_account
from tests.conftest import absent


def openssl(*arguments: str | Path) -> None:
    """
    :raises subprocess.CalledProcessError: where it fails
    """
    if shutil.which("openssl") is None:
        absent("no openssl on PATH")
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    """The certificate of a new authority; its key lies beside it."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", certificate
    )
    return certificate


def certificate(authority: Path, folder: Path) -> None:
    """`server.key` and `server.crt` in a folder, for the two loopback addresses, as a server's account reads them."""
    request, names = authority.parent / "server.csr", authority.parent / "names"
    key, made = folder / "server.key", folder / "server.crt"
    names.write_text("subjectAltName = IP:127.0.0.1, IP:::1\n")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=db", "-keyout", key, "-out", request)
    by = ("-CA", authority, "-CAkey", authority.with_suffix(".key"), "-CAcreateserial", "-extfile", names)
    openssl("x509", "-req", "-in", request, *by, "-out", made)
    key.chmod(0o600)
    if account := server_account():
        for path in (key, made):
            os.chown(path, account.pw_uid, account.pw_gid)

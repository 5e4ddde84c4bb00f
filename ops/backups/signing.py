"""Signatures under the evidence of a drill: Ed25519 (RFC 8032), as `openssl pkeyutl` makes and verifies them."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ops.backups.errors import BackupError

ENDING = ".sig"


def key(path: Path) -> Ed25519PrivateKey:
    """A private key without a passphrase, as `openssl genpkey -algorithm ed25519` writes it.

    :raises BackupError: where the file can't be read, or has no such key
    """
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise BackupError(f"--sign-key {path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, Ed25519PrivateKey):
        raise BackupError(
            f"--sign-key {path}: has no private key of Ed25519 in PEM without a passphrase; "
            "openssl genpkey -algorithm ed25519 makes one"
        )
    return found


def sign(path: Path, private: Ed25519PrivateKey) -> Path:
    """Write the signature of a file, 64 bytes, into another one beside it; that one."""
    signature = path.with_name(path.name + ENDING)
    signature.write_bytes(private.sign(path.read_bytes()))
    return signature

"""The report of a drill is signed with a key that nobody has who reads it."""

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from ops import __main__ as ops
from ops.backups import signing
from ops.backups.errors import BackupError

PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)


def written(path: Path, private: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, passphrase: bytes = b"") -> Path:
    closed = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    path.write_bytes(private.private_bytes(*PEM, closed))
    return path


def test_a_signature_is_that_of_the_file_and_of_no_other(tmp_path: Path):
    private = ed25519.Ed25519PrivateKey.generate()
    report = tmp_path / "report.json"
    report.write_text("{}")
    signature = signing.sign(report, signing.key(written(tmp_path / "sign.pem", private)))
    assert signature.name == "report.json.sig"
    private.public_key().verify(signature.read_bytes(), b"{}")
    with pytest.raises(InvalidSignature):
        private.public_key().verify(signature.read_bytes(), b"{} ")


@pytest.mark.parametrize("kind", ["missing", "text", "rsa", "passphrase"])
def test_what_is_no_such_key_is_refused_before_anything_is_restored(tmp_path: Path, kind: str, capsys):
    path = tmp_path / "sign.pem"
    if kind == "text":
        path.write_text("not a key")
    elif kind == "rsa":
        written(path, rsa.generate_private_key(65537, 2048))
    elif kind == "passphrase":
        written(path, ed25519.Ed25519PrivateKey.generate(), b"made-up")
    with pytest.raises(BackupError) as refused:
        signing.key(path)
    assert str(refused.value).startswith(f"--sign-key {path}: ")
    assert "\n" not in str(refused.value)
    assert ops.main(["restore-drill", "--sign-key", str(path)]) == 1
    assert "error: --sign-key" in capsys.readouterr().err


def test_a_signature_needs_a_report(tmp_path: Path, capsys):
    assert ops.main(["restore-drill", "--from", str(tmp_path), "--sign-key", str(tmp_path / "sign.pem")]) == 1
    assert "--evidence must name a folder for it" in capsys.readouterr().err

"""Passwords without the password: is it the one behind a stored verifier, and what is sent in its place.

The verifier's layout and its keys are those of RFC 5803 and RFC 5802, as PostgreSQL stores them.
"""

import base64
import hashlib
import hmac
import re
import stringprep
import unicodedata

from local.standins.postgresql.connection import Connection

SCRAM = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
MD5 = re.compile(r"md5[0-9a-f]{32}")


def is_verifier(password: str) -> bool:
    """Whether this is already in the form that the server stores."""
    return bool(SCRAM.fullmatch(password) or MD5.fullmatch(password))


def for_statement(connection: Connection, role: str, password: str) -> str:
    """What a statement may carry: verifiers as they are, anything else made one here."""
    if is_verifier(password):
        return password
    made = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return made.decode()


def matches(stored: str, password: str, role: str) -> bool:
    """Whether `password`, plain or a verifier, is what the server has for `role`."""
    # A declared verifier is compared as text: which password made it isn't known here.
    if is_verifier(password) or not stored:
        return hmac.compare_digest(stored.encode(), password.encode())
    if MD5.fullmatch(stored):
        digest = hashlib.md5((password + role).encode(), usedforsecurity=False).hexdigest()
        return hmac.compare_digest(stored, f"md5{digest}")
    parts = SCRAM.fullmatch(stored)
    if parts is None:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), base64.b64decode(parts[2]), int(parts[1]))
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return hmac.compare_digest(stored_key, base64.b64decode(parts[3]))


def prepared(password: str) -> bytes:
    """The bytes that are hashed: SASLprep (RFC 4013) for anything beyond ASCII, as in the server."""
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in password if not stringprep.in_table_b1(char)
    )
    return unicodedata.normalize("NFKC", mapped).encode()

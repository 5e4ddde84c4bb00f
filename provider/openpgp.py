"""Key pairs in the form that pgcrypto reads: OpenPGP (RFC 4880) with RSA, the only kind that it and everybody have.

pgcrypto makes no keys. It looks at a main key only to pass over it, and takes the subkey; neither needs a signature.
"""

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

# An opening costs 4 ms with 2048 bits and 15 ms with 3072, since pgcrypto takes no short way; RFC 4880 ends there.
BITS = 2048
EXPONENT = 65537
PUBLIC_KEY, SECRET_SUBKEY, PUBLIC_SUBKEY = 6, 7, 14
VERSION, RSA, UNPROTECTED = b"\x04", b"\x01", b"\x00"
# No date: the id of an account's key says when it came.
CREATED = bytes(4)


@dataclass(frozen=True)
class KeyPair:
    """Both keys as base64: the public one as PostgreSQL decodes it, the private one as it fits into a URL."""

    public: str
    private: str


def generate() -> KeyPair:
    """A new pair; section numbers are RFC 4880's."""
    numbers = rsa.generate_private_key(EXPONENT, BITS).private_numbers()
    # 5.5.2: what both keys begin with.
    shared = VERSION + CREATED + RSA + _number(numbers.public_numbers.n) + _number(EXPONENT)
    # 5.5.3: p is the smaller one, and u its inverse modulo q.
    p, q = sorted((numbers.p, numbers.q))
    secret = b"".join(map(_number, (numbers.d, p, q, pow(p, -1, q))))
    checksum = (sum(secret) % 65536).to_bytes(2, "big")
    main = _packet(PUBLIC_KEY, shared)
    return KeyPair(
        base64.b64encode(main + _packet(PUBLIC_SUBKEY, shared)).decode(),
        base64.urlsafe_b64encode(main + _packet(SECRET_SUBKEY, shared + UNPROTECTED + secret + checksum))
        .rstrip(b"=")
        .decode(),
    )


def _number(value: int) -> bytes:
    """3.2: a multiprecision integer."""
    return value.bit_length().to_bytes(2, "big") + value.to_bytes((value.bit_length() + 7) // 8, "big")


def _packet(tag: int, body: bytes) -> bytes:
    """4.2.2: a new-format header with a length of five octets."""
    return bytes([0b11000000 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body

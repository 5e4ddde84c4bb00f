"""The CDN's signed addresses: verified as CloudFront does, with the public key of the key group."""

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from visual_prompt_builder.names import ObjectError
from visual_prompt_builder.signing import sign_cdn

URL = "https://media.example.org/audio/a/b.wav/1"
EXPIRES = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def key() -> Iterator[rsa.RSAPrivateKey]:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey, kind: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, kind, NoEncryption())


def admits(public: rsa.RSAPublicKey, signed: str) -> bool:
    """What the edge does: the canned policy of the address and the time it names, and the signature over it.

    CloudFront developer guide, "Create a signed URL using a canned policy".
    """
    url, _, query = signed.partition("?")
    given = {name: values[0] for name, values in parse_qs(query, strict_parsing=True).items()}
    assert given.keys() == {"Expires", "Signature", "Key-Pair-Id"}
    condition = {"DateLessThan": {"AWS:EpochTime": int(given["Expires"])}}
    policy = json.dumps({"Statement": [{"Resource": url, "Condition": condition}]}, separators=(",", ":"))
    signature = base64.b64decode(given["Signature"].translate(str.maketrans("-_~", "+=/")), validate=True)
    try:
        public.verify(signature, policy.encode(), padding.PKCS1v15(), SHA1())
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("kind", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_the_edge_admits_what_was_signed_and_nothing_altered(key: rsa.RSAPrivateKey, kind: PrivateFormat) -> None:
    signed = sign_cdn(URL, "K2JCJMDEHXQW5F", pem(key, kind), EXPIRES)
    assert "Key-Pair-Id=K2JCJMDEHXQW5F" in signed
    assert f"Expires={int(EXPIRES.timestamp())}" in signed
    assert admits(key.public_key(), signed)
    assert not admits(key.public_key(), signed.replace("/b.wav/", "/c.wav/"))
    assert not admits(key.public_key(), re.sub(r"Expires=\d+", "Expires=2524608000", signed))
    other = "A" if "Signature=B" in signed else "B"
    assert not admits(key.public_key(), re.sub("Signature=.", f"Signature={other}", signed))


def test_a_key_that_has_left_the_group_admits_nobody(key: rsa.RSAPrivateKey) -> None:
    former = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert not admits(key.public_key(), sign_cdn(URL, "K1", pem(former), EXPIRES))


def test_a_time_without_a_zone_is_refused(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(ObjectError, match="time zone"):
        sign_cdn(URL, "K1", pem(key), datetime(2030, 1, 1))

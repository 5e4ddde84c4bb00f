"""Tokens are taken as they were signed, in their time, and by one algorithm."""

import base64
import json
import time

import pytest

from declared import tokens
from declared.tokens import TokenRefused
from tests.clients.tokens import signed

SECRET = "made-up-and-long-enough-for-an-hmac-of-256-bits"
PERSON = "00000000-0000-7000-8000-00000000000a"


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def test_a_persons_token_carries_what_row_security_reads_and_no_more():
    found = tokens.claims(SECRET, tokens.of_person(SECRET, PERSON, 60))
    assert found == {
        "aud": "authenticated",
        "sub": PERSON,
        "role": "authenticated",
        "iat": found["iat"],
        "exp": found["iat"] + 60,
    }


def test_it_is_what_another_signer_makes_of_the_same_claims():
    claims = {"role": "anon", "exp": int(time.time()) + 60, "ü": "ß"}
    assert tokens.claims(SECRET, signed(SECRET, **claims)) == claims


GOOD = tokens.of_role(SECRET, "anon", 60)
HEAD, BODY, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "Invalid Compact JWS"),
        ("a.b.c", "Invalid Compact JWS"),
        (f"{HEAD}.{BODY}", "Invalid Compact JWS"),
        (f"{GOOD}.{SIGNATURE}", "Invalid Compact JWS"),
        (f"{HEAD}.{part([])}.{SIGNATURE}", "Invalid Compact JWS"),
        (f"{part({'alg': 'none'})}.{BODY}.", '"alg" (Algorithm) Header Parameter value not allowed'),
        (f"{part({'alg': 'HS512'})}.{BODY}.{SIGNATURE}", '"alg" (Algorithm) Header Parameter value not allowed'),
        (f"{HEAD}.{part({'role': 'service_role'})}.{SIGNATURE}", "signature verification failed"),
        (tokens.of_role("another secret", "anon", 60), "signature verification failed"),
        (tokens.of_role(SECRET, "anon", 60, int(time.time()) - 61), '"exp" claim timestamp check failed'),
        (tokens.signed(SECRET, {"exp": "never"}), '"exp" claim must be a number'),
        (tokens.signed(SECRET, {"nbf": time.time() + 60}), '"nbf" claim timestamp check failed'),
    ],
)
def test_anything_else_is_refused_and_says_why(token: str, said: str):
    with pytest.raises(TokenRefused) as caught:
        tokens.claims(SECRET, token)
    assert str(caught.value) == said

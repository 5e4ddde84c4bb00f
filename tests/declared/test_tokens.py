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


# Not by the clock: each worker collects by its own.
ISSUED, LONG = 1_700_000_000, 10**9
GOOD = tokens.of_role(SECRET, "anon", LONG, ISSUED)
HEAD, BODY, SIGNATURE = GOOD.split(".")
MALFORMED, ALGORITHM = "Invalid Compact JWS", '"alg" (Algorithm) Header Parameter value not allowed'
REFUSED = {
    "empty": ("", MALFORMED),
    "no base64": ("a.b.c", MALFORMED),
    "two parts": (f"{HEAD}.{BODY}", MALFORMED),
    "four parts": (f"{GOOD}.{SIGNATURE}", MALFORMED),
    "claims that are a list": (f"{HEAD}.{part([])}.{SIGNATURE}", MALFORMED),
    "unsigned": (f"{part({'alg': 'none'})}.{BODY}.", ALGORITHM),
    "another algorithm": (f"{part({'alg': 'HS512'})}.{BODY}.{SIGNATURE}", ALGORITHM),
    "other claims": (f"{HEAD}.{part({'role': 'service_role'})}.{SIGNATURE}", "signature verification failed"),
    "another secret": (tokens.of_role("another", "anon", LONG, ISSUED), "signature verification failed"),
    "over": (tokens.of_role(SECRET, "anon", 60, ISSUED), '"exp" claim timestamp check failed'),
    "over at no time": (tokens.signed(SECRET, {"exp": "never"}), '"exp" claim must be a number'),
    "not begun": (tokens.signed(SECRET, {"nbf": ISSUED + LONG}), '"nbf" claim timestamp check failed'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_and_says_why(name: str):
    token, said = REFUSED[name]
    with pytest.raises(TokenRefused) as caught:
        tokens.claims(SECRET, token)
    assert str(caught.value) == said


def test_of_two_secrets_either_signs_and_no_third():
    for secret in (SECRET, "the one before"):
        assert tokens.claims([SECRET, "the one before"], tokens.signed(secret, {"role": "anon"})) == {"role": "anon"}
    with pytest.raises(TokenRefused):
        tokens.claims([SECRET, "the one before"], tokens.signed("another", {"role": "anon"}))

"""Python and TypeScript sign the same for the same inputs at the same time, and refuse the same in the same words."""

import base64
import json
import random
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import botocore.auth
import botocore.signers
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from visual_prompt_builder import signing
from visual_prompt_builder.names import Bucket, ObjectError, check_name, key
from visual_prompt_builder.signing import Store, cdn_url, sign_cdn, sign_download, sign_upload

from declared.objectlayout import QUARANTINE
from tests.objects.conftest import ADA, BOB, VECTORS, VERSION, TypeScript

NOW = datetime.fromisoformat(VECTORS["now"])
STORE = Store(**VECTORS["store"])
LONG = [f"{ADA}/{'a' * length}" for length in (812, 813, 814)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vectors' time."""

    class Fixed(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return NOW.astimezone(tz)

    monkeypatch.setattr(signing, "datetime", Fixed)
    for module in (botocore.auth, botocore.signers):
        monkeypatch.setattr(module, "get_current_datetime", lambda: NOW.replace(tzinfo=None))


@pytest.fixture(scope="module")
def private_key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def answer(call: Any, *given: Any, **more: Any) -> dict[str, Any]:
    try:
        return {"answer": call(*given, **more)}
    except ObjectError as error:
        return {"refused": str(error)}


def upload(given: dict[str, Any]) -> dict[str, Any]:
    bucket, name, type = given.pop("bucket"), given.pop("name"), given.pop("type")
    return asdict(sign_upload(STORE, Bucket.declared(VECTORS["buckets"], bucket), name, type, **given))


def odd_names(count: int) -> list[str]:
    """Names of files with the characters that spellings differ in; always the same ones."""
    choose = random.Random(1)
    return ["".join(choose.choices("aZ0_!-.*'() &$@=;:+,?/", k=choose.randint(1, 12))) for _ in range(count)]


def vectors(kind: str, **more: Any) -> Iterator[tuple[dict[str, Any], str | None]]:
    for vector in VECTORS[kind]:
        yield {**more, **{key: value for key, value in vector.items() if key != "refused"}}, vector.get("refused")


def unsigned(url: str) -> set[str]:
    """What an address says, except for its signature."""
    return {part for part in re.split("[?&]", url) if not re.match("(X-Amz-)?Signature=", part)}


def policy(form: dict[str, str]) -> tuple[str, list[str]]:
    """A form's policy: when it expires, and what it demands, in one order."""
    text = next(value for name, value in form.items() if name.lower() == "policy")
    found = json.loads(base64.b64decode(text))
    # Names of fields count in any case; each library has its own.
    lowered = [
        {name.lower(): value for name, value in condition.items()} if isinstance(condition, dict) else condition
        for condition in found["conditions"]
    ]
    return found["expiration"], sorted({json.dumps(condition) for condition in lowered})


@pytest.mark.usefixtures("clock")
def test_uploads_get_the_same_policy_document_or_the_same_refusal(typescript: TypeScript) -> None:
    given = list(vectors("uploads", folder=ADA, person=BOB, version=VERSION, room=None))
    theirs = typescript.call([{"call": "signUpload", **values} for values, _ in given], {})
    for (values, refused), other in zip(given, theirs, strict=True):
        ours = answer(upload, dict(values))
        assert ours.get("refused") == other.get("refused") == refused
        if refused is None:
            assert policy(ours["answer"]["fields"]) == policy(other["answer"]["fields"])
            same = {"url", "bucket", "name", "version", "key", "largest"}
            assert {key: ours["answer"][key] for key in same} == {
                key: other["answer"][key].rstrip("/") if key == "url" else other["answer"][key] for key in same
            }
            assert ours["answer"]["expires_at"] == other["answer"]["expiresAt"] == policy(ours["answer"]["fields"])[0]


@pytest.mark.usefixtures("clock")
def test_the_policy_pins_bucket_key_type_and_size_and_nothing_is_left_open() -> None:
    values, _ = next(vectors("uploads", folder=ADA, person=BOB, version=VERSION, room=None))
    form = upload(dict(values))["fields"]
    expires, conditions = policy(form)
    assert expires == "2026-05-17T09:35:00Z"
    pinned = [json.loads(condition) for condition in conditions]
    assert ["content-length-range", 1, 50_000_000] in pinned
    assert {"key": f"uploads/storage-single-tenant/audio/{ADA}/a.webm/{VERSION}"} in pinned
    assert {"content-type": "audio/webm"} in pinned
    assert {"bucket": STORE.bucket} in pinned
    assert {"x-amz-meta-form": sha256(f"{VERSION}/{BOB}".encode()).hexdigest()} in pinned
    assert not [condition for condition in pinned if isinstance(condition, list) and condition[0] == "starts-with"]
    assert STORE.secret_key not in json.dumps(form)
    assert str(STORE.secret_key) not in repr(STORE)


@pytest.mark.usefixtures("clock")
def test_downloads_are_signed_alike(typescript: TypeScript) -> None:
    given = list(vectors("downloads", version=VERSION))
    theirs = typescript.call([{"call": "signDownload", **values} for values, _ in given], {})
    for (values, refused), other in zip(given, theirs, strict=True):
        ours = answer(sign_download, STORE, **values)
        assert ours.get("refused") == other.get("refused") == refused
        if refused is None:
            # The JavaScript library names the call and says that the body isn't signed; so its signature differs too.
            more = {"x-id=GetObject", "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"}
            assert unsigned(ours["answer"]) | more == unsigned(other["answer"])


def test_names_are_refused_alike(typescript: TypeScript) -> None:
    names = [*(name for name, _ in VECTORS["names"]), *LONG, f"{ADA}/a b/(c)!.webm"]
    theirs = typescript.call([{"call": "checkName", "name": name} for name in names], {})
    ours = [answer(check_name, name) for name in names]
    assert ours == theirs
    assert [found.get("refused") for found in ours[: len(VECTORS["names"])]] == [text for _, text in VECTORS["names"]]
    assert [len(text.splitlines()) for _, text in VECTORS["names"]] == [1] * len(VECTORS["names"])
    assert ours[-1] == {"answer": f"{ADA}/a b/(c)!.webm"}


@pytest.mark.usefixtures("clock")
def test_a_name_may_have_850_bytes_and_no_more(typescript: TypeScript) -> None:
    given = [
        {
            "bucket": "exports",
            "name": name,
            "type": "a/b",
            "folder": ADA,
            "person": BOB,
            "version": VERSION,
            "room": None,
        }
        for name in LONG
    ]
    theirs = typescript.call([{"call": "signUpload", **values} for values in given], {})
    ours = [answer(upload, dict(values)) for values in given]
    assert [found.get("refused") for found in ours] == [found.get("refused") for found in theirs]
    assert [found.get("refused") for found in ours] == [
        None,
        None,
        "object name: has 851 bytes, at most 850 are allowed",
    ]
    longest = key("storage-single-tenant", "b" * 100, LONG[1], VERSION)
    assert len(f"{QUARANTINE}/{longest}") <= 1024, "also in quarantine"


def test_the_cdns_addresses_and_signatures_are_the_same(typescript: TypeScript, private_key: str) -> None:
    given = list(vectors("cdn", keyId="K1"))
    calls = [{"call": "signCdn", **values, "privateKey": private_key} for values, _ in given]
    theirs = typescript.call(calls, {})
    for (values, refused), other in zip(given, theirs, strict=True):
        expires = datetime.fromisoformat(values["expires"])
        ours = answer(sign_cdn, values["url"], "K1", private_key, expires)
        assert ours.get("refused") == other.get("refused") == refused
        if refused is None:
            assert sorted(re.split("[?&]", ours["answer"])) == sorted(re.split("[?&]", other["answer"]))


@pytest.mark.parametrize("pem", ["", "no key", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_refused_without_being_told(typescript: TypeScript, pem: str) -> None:
    values, _ = next(vectors("cdn"))
    (other,) = typescript.call(
        [{"call": "signCdn", "url": values["url"], "keyId": "K1", "privateKey": pem, **values}], {}
    )
    ours = answer(sign_cdn, values["url"], "K1", pem, NOW)
    assert ours == other == {"refused": "CDN key: must be an RSA private key as PEM, not encrypted"}


def test_there_is_one_spelling_of_an_objects_path(typescript: TypeScript, private_key: str) -> None:
    """Both languages make the same address of it, and signing leaves it as it is."""
    names = [f"{ADA}/{file}" for file in odd_names(300)]
    calls = [{"call": "cdnUrl", "domain": "media.example.org", "bucket": "audio", "name": name} for name in names]
    theirs = typescript.call([{**call, "version": VERSION} for call in calls], {})
    for name, other in zip(names, theirs, strict=True):
        ours = answer(cdn_url, "media.example.org", "audio", name, VERSION)
        assert ours == other
        if "answer" in ours:
            assert unquote(ours["answer"]) == f"https://media.example.org/audio/{name}/{VERSION}"
            signed = sign_cdn(ours["answer"], "K1", private_key, NOW)
            assert signed.partition("?")[0] == ours["answer"]


def test_an_address_in_another_spelling_is_signed_in_the_one_that_counts(
    typescript: TypeScript, private_key: str
) -> None:
    paths = ["a b", "a%20b", "a%2fb/c", "%c3%a9", "\u00e9", "(c)!*'~", "%28c%29", "a&b=c;d:e@f,g+h", "%zz%4", "%ff"]
    urls = [f"https://media.example.org/audio/{path}" for path in paths]
    given = {"keyId": "K1", "privateKey": private_key, "expires": VECTORS["now"]}
    theirs = typescript.call([{"call": "signCdn", "url": url, **given} for url in urls], {})
    for url, other in zip(urls, theirs, strict=True):
        ours = sign_cdn(url, "K1", private_key, NOW)
        assert sorted(re.split("[?&]", ours)) == sorted(re.split("[?&]", other["answer"])), url


@pytest.mark.parametrize("domain", ["", "a/b", "a b", "A.example.org", "a?b"])
def test_a_domain_that_is_none_is_refused_alike(typescript: TypeScript, domain: str) -> None:
    given = {"domain": domain, "bucket": "audio", "name": f"{ADA}/a", "version": VERSION}
    (other,) = typescript.call([{"call": "cdnUrl", **given}], {})
    ours = answer(cdn_url, *given.values())
    assert ours == other
    assert "refused" in ours

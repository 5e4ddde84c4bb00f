"""An upload in the provisioned dev environment: signed, sent, scanned, streamed; a harmful one goes into quarantine."""

import json
from typing import Any

import psycopg
import pytest
import requests

from harness.checkout import Scratch
from ops.storage.scanning.signatures import TEST_SIGNATURES
from tests.objects import sound
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]

ADA = "00000000-0000-7000-8000-00000000000a"
PROJECT = "00000000-0000-7000-8000-0000000000a1"
ROW = "insert into storage.objects (bucket_id, name, version, metadata) values ('audio', %s, %s, %s)"


def answer(dev: Scratch, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(succeeded(dev.start("sign", *words, "--json").wait()))
    return found


def upload(dev: Scratch, name: str, content: bytes) -> None:
    form = answer(dev, "upload", "audio", name, "--type", "audio/mpeg", "--person", ADA)
    sent = requests.post(form["url"], data=form["fields"], files={"file": content}, timeout=10)
    assert sent.status_code == 204, sent.text
    done = answer(dev, "finish", "audio", name, form["version"], "--person", ADA)
    with psycopg.connect(dev.url) as connection:
        connection.execute(ROW, (name, done["version"], json.dumps(done["metadata"])))


def test_an_upload_is_read_by_others_only_after_the_scan(dev: Scratch) -> None:
    good, bad = f"{PROJECT}/good.mp3", f"{PROJECT}/bad.mp3"
    with psycopg.connect(dev.url) as connection:
        connection.execute("insert into next_auth.users (id, name) values (%s, 'Ada')", (ADA,))
        connection.execute("insert into public.projects (id, owner_id, title) values (%s, %s, 'one')", (PROJECT, ADA))
    upload(dev, good, sound.mp3())
    upload(dev, bad, sound.mp3() + TEST_SIGNATURES["Eicar-Test-Signature"])
    early = dev.start("sign", "download", "audio", good).wait()
    assert (early.status, "the virus scan says pending" in early.last_line) == (1, True)
    scanned = dev.start("scan").wait()
    assert scanned.status == 2, scanned.output
    assert scanned.last_line == f"audio/{bad}: infected: Eicar-Test-Signature"
    streamed = requests.get(
        answer(dev, "download", "audio", good)["url"], headers={"Range": "bytes=417-833"}, timeout=10
    )
    assert (streamed.status_code, streamed.content) == (206, sound.mp3(1))
    assert '"files": 2' in succeeded(dev.start("backup", "--json").wait())
    drilled = dev.start("restore-drill", "--json").wait()
    assert drilled.status == 0, drilled.output
    assert '"2 are there in their versions and sizes"' in drilled.output, "the harmful one in quarantine"
    late = dev.start("sign", "download", "audio", bad).wait()
    assert (late.status, "the virus scan says infected" in late.last_line) == (1, True)
    assert dev.start("scan").wait().status == 0
    with psycopg.connect(dev.url) as connection:
        connection.execute("set local storage.allow_delete_query = 'true'")
        connection.execute("delete from storage.objects where name = any(%s)", ([good, bad],))
        connection.execute("delete from next_auth.users where id = %s", (ADA,))
        connection.execute("delete from private.object_scans")

"""The local API before a database of the tests: its process, its keys, the object store behind it."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

import toolchain
from declared import tokens
from declared.schemas import EXPOSED
from local import apiservice
from local.api.record import Start
from tests.clients.world import Complete
from tests.local.conftest import ACCESS_KEY, REGION, SECRET_KEY, MotoServer
from tests.sql.provision import ADA, BOB
from toolchain import postgrest

OBJECTS = "objects-of-the-api"
LARGEST = 100_000
BUCKETS = """
    insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values
        ('audio', 'audio', false, 50000, '{audio/ogg,audio/webm}'),
        ('avatars', 'avatars', true, 2000, '{image/png,image/*}')"""


@dataclass
class LocalApi:
    """A running one."""

    folder: Path
    start: Start
    complete: Complete

    @property
    def url(self) -> str:
        address = apiservice.address(self.folder)
        assert address is not None
        return address

    @property
    def secret(self) -> str:
        kept = apiservice.known(self.folder)
        assert kept is not None
        return kept.secret

    def again(self) -> None:
        """As after `up`."""
        apiservice.ensure(self.folder, self.start, lambda message: None)

    def values(self) -> dict[str, Any]:
        """What the programs of Node are given: keys as `./vpb env` prints them, tokens as `./vpb token` does."""
        kept = apiservice.known(self.folder)
        assert kept is not None
        now = int(time.time())
        return {
            "url": self.url,
            "anon": kept.key("anon"),
            "service": kept.key("service_role"),
            "tokens": {
                "ada": tokens.of_person(kept.secret, ADA, 600),
                "bob": tokens.of_person(kept.secret, BOB, 600),
                "expired": tokens.of_person(kept.secret, ADA, 60, now - 3600),
                "forged": tokens.of_person(secrets.token_urlsafe(32), ADA, 600),
                "storage": tokens.of_role(kept.secret, "storage_service", 600),
            },
            "ada": ADA,
            "bob": BOB,
            "admin": self.complete.database.url,
        }


@contextmanager
def running(complete: Complete, moto: MotoServer, folder: Path) -> Iterator[LocalApi]:
    """The API on the database of the clients, with buckets and a store for it."""
    store = moto.client("s3")
    store.create_bucket(Bucket=OBJECTS, CreateBucketConfiguration={"LocationConstraint": REGION})
    password = secrets.token_urlsafe(12)
    with psycopg.connect(complete.database.url, autocommit=True) as connection:
        connection.execute(BUCKETS)
        connection.execute(sql.SQL("alter role supabase_storage_admin password {}").format(sql.Literal(password)))
    known = replace(complete, passwords={**complete.passwords, "supabase_storage_admin": password})
    start = Start(
        program=str(postgrest.ensure(toolchain.context_of())),
        version=postgrest.version(),
        rest_url=known.url("authenticator"),
        storage_url=known.url("supabase_storage_admin"),
        schemas=EXPOSED,
        bucket=OBJECTS,
        region=REGION,
        endpoint=moto.endpoint,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        largest=LARGEST,
    )
    made = LocalApi(folder, start, known)
    made.again()
    try:
        yield made
    finally:
        apiservice.stop(folder)

"""`./vpb seed` on a real database and moto: what it makes, where it refuses, and that files are what their rows say."""

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from visual_prompt_builder.names import key
from visual_prompt_builder.signing import Store

from ops import seed
from ops.errors import CommandError, Interrupted
from run import engine

SMALL = seed.Size(60, 5, 3)


@pytest.fixture
def empty(provisioned_database: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty environment's superuser; the stack is called dev."""
    environment = SimpleNamespace(store=store, admin_url=provisioned_database.url)
    monkeypatch.setattr(seed, "Environment", SimpleNamespace(of=lambda stack: environment))
    monkeypatch.setattr(engine, "own_parameters", lambda stack: None)
    with psycopg.connect(provisioned_database.url, autocommit=True) as session:
        session.execute("insert into storage.buckets (id, name) values ('audio', 'audio')")
    return str(provisioned_database.url)


def test_it_fills_an_empty_environment_once_and_its_files_are_those_of_their_rows(empty: str, store: Store) -> None:
    said: list[str] = []
    found = seed.fill("dev", SMALL, 1, said.append)
    assert (found.people, found.projects, found.files) == (50, 60, 3)
    assert found.components > 100
    assert said[-1] == "files"
    with psycopg.connect(empty, autocommit=True) as session:
        files = session.execute("""
            select o.name, o.version, (o.metadata ->> 'size')::bigint, r.bytes, r.mime_type, r.scan_status
            from storage.objects as o join public.audio_recordings as r on r.object_path = o.name""").fetchall()
        assert [(mime, status) for *_, mime, status in files] == [("audio/wav", "pending")] * 3
        for name, version, size, noted, *_ in files:
            body = store.s3.get_object(Bucket=store.bucket, Key=key(store.tenant, "audio", name, version))[
                "Body"
            ].read()
            assert len(body) == size == noted
            assert body[:4] == b"RIFF"
        groups = "select count(*) > 5 from public.project_components where parent_id is not null"
        assert session.execute(groups).fetchone() == (True,)
        whose = "select count(*) > 1 from public.projects where owner_id = %s"
        assert session.execute(whose, (found.person,)).fetchone() == (True,)
    with pytest.raises(CommandError, match=r"^stack dev: there are 50 people already, and seeds are for an empty"):
        seed.fill("dev", SMALL, 1, said.append)


@pytest.mark.parametrize("how", ["production", "kept"])
def test_nothing_is_made_where_data_is_kept(empty: str, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    stack = "prod-2" if how == "production" else "dev"
    monkeypatch.setattr(engine, "keeps", lambda stack: how == "kept")
    with pytest.raises(CommandError, match=rf"^stack {stack}: its data is kept"):
        seed.fill(stack, SMALL, 1, print)
    with psycopg.connect(empty) as session:
        assert session.execute("select count(*) from next_auth.users").fetchone() == (0,)


def test_interrupted_it_says_what_is_left(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"^stack dev: interrupted; no row is left$"):
        seed.fill("dev", SMALL, 1, interrupted)
    monkeypatch.setattr(seed, "_files", interrupted)
    with pytest.raises(Interrupted, match=r"^stack dev: interrupted; the rows are there, not all files; `./vpb reset"):
        seed.fill("dev", SMALL, 1, print)
    with psycopg.connect(empty) as session:
        assert session.execute("select count(*) from next_auth.users").fetchone() == (50,)


def test_beside_another_seed_nothing_is_written(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtext('vpb seed'))")
        with pytest.raises(CommandError, match=r"^stack dev: another seed is under way; nothing was written$"):
            seed.fill("dev", SMALL, 1, print)
        assert other.execute("select count(*) from next_auth.users").fetchone() == (0,)


def test_without_its_bucket_no_row_is_written(empty: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Store(bucket="gone", region=store.region, endpoint=store.endpoint, access_key="a", secret_key="b")
    environment = SimpleNamespace(store=gone, admin_url=empty)
    monkeypatch.setattr(seed, "Environment", SimpleNamespace(of=lambda stack: environment))
    with pytest.raises(CommandError, match=r"^bucket gone: can't be reached .*; nothing was written"):
        seed.fill("dev", SMALL, 1, print)
    with psycopg.connect(empty) as session:
        assert session.execute("select count(*) from next_auth.users").fetchone() == (0,)

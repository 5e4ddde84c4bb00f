"""The object store with our extensions, the functions that sign, and the same in TypeScript, compiled."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from visual_prompt_builder.names import Bucket
from visual_prompt_builder.signing import Store

import toolchain
from ops.storage.cleaning.edge import Edge
from tests.conftest import absent
from tests.local.conftest import ACCESS_KEY, REGION, SECRET_KEY, MotoServer
from tests.sql import provision
from toolchain import node, versions

HERE = Path(__file__).resolve().parent
VECTORS: dict[str, Any] = json.loads((HERE / "vectors.json").read_text())
ADA = "00000000-0000-7000-8000-00000000000a"
BOB = "00000000-0000-7000-8000-00000000000b"
# Of Ada's.
PROJECT = "00000000-0000-7000-8000-0000000000a1"
VERSION = "11111111-1111-4111-8111-111111111111"
LOGINS = ("scanner", "cleaner", "monitor")
AUDIO = Bucket("audio", 1000, ("audio/wav", "audio/webm"))


@dataclass(frozen=True)
class TypeScript:
    """The folder in which the compiled package and the Node programs find the packages of npm."""

    packages: node.Packages
    folder: Path

    def run(self, program: str, given: dict[str, Any]) -> Any:
        """What a program of this folder answers to `given`."""
        done = subprocess.run(
            [self.packages.node, "--no-warnings", self.folder / program],
            input=json.dumps(given),
            env=self.packages.environment(os.environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    def call(self, calls: Sequence[dict[str, Any]], private: dict[str, Any]) -> list[dict[str, Any]]:
        """The answers of TypeScript's functions to the calls, at the vectors' time."""
        answers: list[dict[str, Any]] = self.run("typescript.mjs", {**VECTORS, **private, "calls": list(calls)})
        return answers


@pytest.fixture(scope="session")
def packages() -> node.Packages:
    """The packages that the TypeScript package pins, in the cache."""
    try:
        return node.ensure(toolchain.context_of(), versions.TYPESCRIPT)
    except toolchain.ToolchainError as error:
        absent(f"no TypeScript here: {error}")


@pytest.fixture(scope="session")
def typescript(packages: node.Packages, tmp_path_factory: pytest.TempPathFactory) -> TypeScript:
    """The TypeScript package, compiled as strictly as its own settings say."""
    folder = tmp_path_factory.mktemp("typescript") / "typescript"
    shutil.copytree(versions.TYPESCRIPT, folder)
    for program in HERE.glob("*.mjs"):
        shutil.copy(program, folder)
    (folder / "node_modules").symlink_to(packages.modules)
    compiler = [packages.node, packages.modules / "typescript" / "bin" / "tsc"]
    done = subprocess.run(compiler, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return TypeScript(packages, folder)


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    server = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def store(moto: MotoServer) -> Store:
    """An object bucket as the app's servers know it."""
    made = Store(bucket="objects", region=REGION, endpoint=moto.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    made.s3.create_bucket(Bucket=made.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    made.s3.put_bucket_versioning(Bucket=made.bucket, VersioningConfiguration={"Status": "Enabled"})
    return made


@dataclass(frozen=True)
class World:
    """A database with the complete SQL, rows committed, and the logins that work on stored files."""

    url: str
    scanner_url: str
    cleaner_url: str
    monitor_url: str

    def run(self, statement: str, *given: Any) -> list[tuple[Any, ...]]:
        """As the superuser; the rows, if there are any."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            done = connection.execute(statement.encode(), given or None)
            return done.fetchall() if done.description else []


@pytest.fixture(scope="session")
def complete(cluster: Any, complete_template: str) -> Iterator[World]:
    name, password = f"objects_{os.getpid()}", "made-up"
    database = cluster.create(name, complete_template)
    with psycopg.connect(database.url, autocommit=True) as connection:
        for role in LOGINS:
            connection.execute(f"alter role {role} password '{password}'".encode())
        connection.execute("insert into storage.buckets (id, name) values ('audio', 'audio'), ('avatars', 'avatars')")
        provision.add_people(connection)
        connection.execute("insert into public.projects (id, owner_id, title) values (%s, %s, 'one')", (PROJECT, ADA))
    yield World(
        database.url, *(f"postgresql://{role}:{password}@{database.host}:{database.port}/{name}" for role in LOGINS)
    )
    cluster.drop(name)


@pytest.fixture
def world(complete: World) -> Iterator[World]:
    """The same, with no object and no recording from another test, and nothing kept of one."""
    yield complete
    complete.run("delete from public.audio_recordings")
    complete.run("begin; set local storage.allow_delete_query = 'true'; delete from storage.objects; commit")
    complete.run("delete from private.storage_usage")
    complete.run("delete from private.object_scans")
    complete.run("delete from analytics.user_activity")


@pytest.fixture
def cdn(moto: MotoServer) -> Edge:
    """A distribution that remembers nothing yet."""
    client = moto.client("cloudfront")
    origin = {"Id": "objects", "DomainName": "objects.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}}
    made = client.create_distribution(
        DistributionConfig={
            "CallerReference": str(uuid4()),
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": {"TargetOriginId": "objects", "ViewerProtocolPolicy": "https-only"},
            "Comment": "",
            "Enabled": True,
        }
    )
    return Edge(client, made["Distribution"]["Id"])


def invalidated(cdn: Edge) -> list[str]:
    """The paths that it was told to forget."""
    listed = cdn.client.list_invalidations(DistributionId=cdn.distribution)["InvalidationList"].get("Items", [])
    found = (cdn.client.get_invalidation(DistributionId=cdn.distribution, Id=each["Id"]) for each in listed)
    return sorted(path for each in found for path in each["Invalidation"]["InvalidationBatch"]["Paths"]["Items"])

"""`./vpb seed`: realistic rows and files for an empty environment, the same for the same seed."""

import io
import json
import math
import struct
import wave
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from visual_prompt_builder.names import key

from declared import connectionurl
from guardrails.environment import Environment as Kind
from harness import data
from ops.database import Connection, connect
from ops.environment import Environment
from ops.errors import CommandError, Interrupted, answered
from ops.seedwords import WORDS
from run import engine

APPLICATION = "vpb seed"
BUCKET, TYPE = "audio", "audio/wav"
HERTZ, TONE = 8_000, 220
# Work that waits for the app's servers and for the nightly jobs.
LEFT_OUT = ("changes", "deletion_queue", "file_events", "undated_projects")
# In every second project the first component is a group with the next three in it.
GROUPS = """
with first as (
    select c.id, c.project_id, row_number() over (partition by c.project_id order by c.position) as place
    from public.project_components as c
    where c.position < private.place_at(50000005) and uuid_hash(c.project_id) & 1 = 0
)
update public.project_components as c set kind = case when f.place = 1 then 'group' else c.kind end,
    parent_id = case when f.place > 1 then g.id end
from first as f join first as g on g.project_id = f.project_id and g.place = 1
where c.id = f.id and f.place <= 4"""
# In the place of a version that a server would draw: the same seed gives the same file.
FILES = """
select p.id, p.owner_id from public.projects as p where p.archived_at is null order by p.id limit %s"""
STORE = """
insert into storage.objects (bucket_id, name, owner_id, version, metadata)
values (%s, %s, %s, %s, %s) on conflict do nothing"""
RECORD = """
insert into public.audio_recordings (project_id, created_by, title, object_path, bucket_id, duration_ms, sample_rate)
values (%s, %s, %s, %s, %s, %s, %s)"""


@dataclass(frozen=True)
class Size:
    """How much of it: a person for each twenty projects, and so many components of a project on average."""

    projects: int
    components: int
    files: int


SIZES = {"small": Size(200, 20, 10), "medium": Size(2_000, 50, 50), "large": Size(20_000, 50, 200)}


@dataclass(frozen=True)
class Seeded:
    """What there is now, and whose session to try it with."""

    stack: str
    people: int
    projects: int
    components: int
    files: int
    person: str
    """One with many projects."""


def fill(stack: str, size: Size, seed: int, say: Callable[[str], object]) -> Seeded:
    """Fill an empty environment.

    Args:
        seed: the same one gives the same rows; dates move with the day.
        say: gets a line for each table that is done.

    :raises CommandError: where there is data that is kept, or anybody is there already
    """
    if Kind.of(stack, engine.configuration(stack)).production or engine.keeps(stack):
        raise CommandError(f"stack {stack}: its data is kept, and made rows would be among it; nothing was written")
    environment = Environment.of(stack)
    own = engine.own_parameters(stack)
    url = connectionurl.compose(own) if own else environment.admin_url
    made = False
    try:
        with connect(url, APPLICATION) as connection:
            _refuse(connection, stack)
            _refuse_no_bucket(environment)
            for table in data.generate(connection, size.projects, seed, size.components, LEFT_OUT, WORDS):
                say(table)
            made = True
            with connection.transaction():
                connection.execute("set local session_replication_role = replica")
                connection.execute(GROUPS)
            say("groups")
            files = _files(connection, environment, size.files)
            say("files")
            return _counted(connection, stack, files)
    except (psycopg.Error, BotoCoreError, ClientError, KeyboardInterrupt) as error:
        left = (
            f"the rows are there, not all files; `./vpb reset --stack {stack}` empties it" if made else "no row is left"
        )
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"stack {stack}: interrupted; {left}") from None
        raise CommandError(f"stack {stack}: {answered(error)}; {left}") from None


def _refuse(connection: Connection, stack: str) -> None:
    ((superuser, people),) = connection.execute(
        "select rolsuper, (select count(*) from next_auth.users) from pg_catalog.pg_roles where rolname = session_user"
    ).fetchall()
    if not superuser:
        raise CommandError(
            f"stack {stack}: the login that provisions is no superuser, and rows are made with triggers off; "
            "nothing was written"
        )
    ((alone,),) = connection.execute("select pg_try_advisory_lock(hashtext('vpb seed'))").fetchall()
    if not alone:
        raise CommandError(f"stack {stack}: another seed is under way; nothing was written")
    if people:
        raise CommandError(
            f"stack {stack}: there are {people} people already, and seeds are for an empty environment; "
            f"`./vpb reset --stack {stack}` empties it"
        )


def _refuse_no_bucket(environment: Environment) -> None:
    """Before anything is written: rows without their files can't be made a second time."""
    store = environment.store
    try:
        store.s3.head_bucket(Bucket=store.bucket)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"bucket {store.bucket}: can't be reached ({error}); nothing was written") from None


def _files(connection: Connection, environment: Environment, count: int) -> int:
    """One recording of a second each, stored as the app's servers do, and not scanned yet; how many there are."""
    store, written = environment.store, 0
    for number, (project, owner) in enumerate(connection.execute(FILES, (count,)).fetchall()):
        body = tone(TONE + 20 * (number % 40))
        version = str(UUID(int=project.int ^ 1))
        name = f"{project}/seed.wav"
        metadata = {"size": len(body), "mimetype": TYPE, "contentLength": len(body)}
        store.s3.put_object(
            Bucket=store.bucket, Key=key(store.tenant, BUCKET, name, version), Body=body, ContentType=TYPE
        )
        with connection.transaction():
            connection.execute(STORE, (BUCKET, name, str(owner), version, json.dumps(metadata)))
            connection.execute(RECORD, (project, owner, "A tone", name, BUCKET, 1000, HERTZ))
        written += 1
    return written


def tone(hertz: int) -> bytes:
    """A second of a sine as WAV."""
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(HERTZ)
        samples = (round(12_000 * math.sin(2 * math.pi * hertz * at / HERTZ)) for at in range(HERTZ))
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return target.getvalue()


def _counted(connection: Connection, stack: str, files: int) -> Seeded:
    ((people, projects, components, person),) = connection.execute("""
        select (select count(*) from next_auth.users), (select count(*) from public.projects),
            (select count(*) from public.project_components),
            (select owner_id::text from public.projects group by owner_id order by count(*) desc, owner_id limit 1)
    """).fetchall()
    return Seeded(stack, people, projects, components, files, person)

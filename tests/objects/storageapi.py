"""Supabase's Storage API as the tests meet it: a double that leaves what the real one leaves, and the real one.

What it leaves at its start is in storageapi.toml, recorded with the real one. What it does for each request was
recorded as well: its statements, role by role, and its calls of the object store with their headers. The real one takes
the double's place where `VPB_STORAGE_API` names the folder of a built checkout.
"""

import json
import os
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from visual_prompt_builder.signing import Store

from local.ports import free_port
from tests.clients import tokens
from tests.sql.provision import Connection

FACTS: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
LOGIN, SUPER = "supabase_storage_admin", "storage_service"
SECRET = "made-up-and-long-enough-for-an-hmac-of-256-bits"
# What row policies and triggers of ours ask, in the double's own words. All other functions of its are empty here.
BODIES = {
    "storage.allow_any_operation(text[])": (
        "expected_operations text[]",
        "boolean",
        "select exists (select from unnest($1) as e (o) where o <> '' "
        "and regexp_replace(o, '^storage\\.', '') = regexp_replace(storage.operation(), '^storage\\.', ''))",
    ),
    "storage.allow_only_operation(text)": (
        "expected_operation text",
        "boolean",
        "select coalesce(storage.allow_any_operation(array[$1]), false)",
    ),
    "storage.enforce_bucket_name_length()": (
        "",
        "trigger",
        "begin if length(new.name) > 100 then raise exception 'too long'; end if; return new; end",
    ),
    "storage.extension(text)": ("name text", "text", "begin return split_part(name, '.', -1); end"),
    "storage.filename(text)": ("name text", "text", "begin return split_part(name, '/', -1); end"),
    "storage.foldername(text)": (
        "name text",
        "text[]",
        "declare parts text[] = string_to_array(name, '/'); begin return parts[1 : array_length(parts, 1) - 1]; end",
    ),
    "storage.operation()": ("", "text", "begin return current_setting('storage.operation', true); end"),
    "storage.protect_delete()": (
        "",
        "trigger",
        "begin if coalesce(current_setting('storage.allow_delete_query', true), 'false') <> 'true' "
        "then raise exception 'not by sql' using errcode = '42501'; end if; return null; end",
    ),
    "storage.update_updated_at_column()": ("", "trigger", "begin new.updated_at = now(); return new; end"),
}
FUNCTIONS = """
    select p.oid::regprocedure::text, l.lanname || ' ' || case p.provolatile when 'i' then 'immutable'
        when 's' then 'stable' else 'volatile' end || case when p.prosecdef then ' security definer' else '' end
    from pg_proc as p join pg_language as l on l.oid = p.prolang
    where p.pronamespace = 'storage'::regnamespace and p.proowner = 'supabase_storage_admin'::regrole
"""
RIGHTS = """
    select c.oid::regclass::text, a.grantee::regrole::text,
        case count(*) when 1 then 'select' when 4 then 'write' else 'all' end
        || case when bool_and(a.is_grantable) then ' with grant option' else '' end
    from pg_class as c left join aclexplode(c.relacl) as a on a.grantee <> c.relowner or a.is_grantable
    where c.relnamespace = 'storage'::regnamespace and c.relkind = 'r' and (c.relrowsecurity or c.relacl is not null)
    group by 1, 2
"""
COMMENTS = """
    select d.objoid::regclass || '.' || a.attname, d.description
    from pg_description as d join pg_attribute as a on a.attrelid = d.objoid and a.attnum = d.objsubid
    where d.classoid = 'pg_class'::regclass and a.attname = 'owner'
        and d.objoid in ('storage.buckets'::regclass, 'storage.objects'::regclass)
"""


def described(connection: Connection) -> dict[str, Any]:
    """What is in schema storage, as storageapi.toml has it."""
    with connection.transaction():
        connection.execute("set local search_path = ''")
        functions, rights, comments = (
            connection.execute(query.encode()).fetchall() for query in (FUNCTIONS, RIGHTS, COMMENTS)
        )
    tables: dict[str, dict[str, str]] = {}
    for table, role, words in rights:
        tables.setdefault(table, {}).update({role: words} if role else {})
    shared = tables.pop("storage.buckets"), tables.pop("storage.objects")
    grants = {
        kind: sorted(role for role in shared[0] if all(each.get(role) == kind.replace("_", " ") for each in shared))
        for kind in ("all", "all_with_grant_option")
    }
    return {"functions": dict(functions), "tables": tables, "grants": grants, "comments": dict(comments)}


def started(connection: Connection, version: str = "1") -> None:
    """The double's start: its migrations, as its login, each once; a later version has a further one."""
    with connection.transaction():
        connection.execute(f"set local role {LOGIN}".encode())
        connection.execute(
            "create table if not exists storage.migrations (id int primary key, name text unique, hash text not null)"
        )
        done = {name for (name,) in connection.execute("select name from storage.migrations").fetchall()}
        if not done:
            _first(connection)
        if version not in done and version != "1":
            _later(connection)
        query = "insert into storage.migrations (id, name, hash) select count(*), %s, '' from storage.migrations"
        connection.execute(f"{query} on conflict do nothing".encode(), (version,))


def _first(connection: Connection) -> None:
    for signature, words in FACTS["functions"].items():
        language, volatility = words.split()
        empty = "begin end" if language == "plpgsql" else "select null::text"
        name, _, types = signature.partition("(")
        arguments, result, body = BODIES.get(
            signature, (types.removesuffix(")"), "void" if language == "plpgsql" else "text", empty)
        )
        connection.execute(
            f"create or replace function {name}({arguments}) returns {result} language {language} {volatility} "
            f"as $body${body}$body$".encode()
        )
    for table, rights in FACTS["tables"].items():
        connection.execute(f"create table if not exists {table} (id text primary key)".encode())
        connection.execute(f"alter table {table} enable row level security".encode())
        for role, right in rights.items():
            connection.execute(f"grant {right} on {table} to {role}".encode())
    for path, text in FACTS["comments"].items():
        connection.execute(f"comment on column {path} is '{text}'".encode())
    for kind, rest in (("all", ""), ("all_with_grant_option", " with grant option")):
        roles = ", ".join(FACTS["grants"][kind])
        connection.execute(f"grant all on storage.buckets, storage.objects to {roles}{rest}".encode())


def _later(connection: Connection) -> None:
    """What an upgrade may bring: as the 64 migrations have done before, in their order of kinds."""
    for statement in (
        "drop function storage.get_size_by_bucket()",
        "create function storage.get_size_by_bucket(text) returns bigint language sql stable as 'select 0::bigint'",
        "create or replace function storage.filename(name text) returns text language sql immutable "
        "as 'select split_part(name, ''/'', -1)'",
        "drop table storage.iceberg_tables",
        "create table storage.prefixes (id text primary key)",
        "alter table storage.prefixes enable row level security",
        "grant all on storage.prefixes to anon, authenticated, storage_service",
        "create function storage.note_prefix() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger note_prefix before insert on storage.objects "
        "for each row execute function storage.note_prefix()",
        "alter table storage.objects add column level int",
        "create index idx_objects_level on storage.objects (level)",
        "alter table storage.vector_indexes add column more text",
        "grant all on storage.buckets, storage.objects to anon, authenticated, storage_service",
    ):
        connection.execute(statement.encode())


def scope(session: Connection, role: str, operation: str, subject: str = "") -> None:
    """What it sets before each statement; as super user it is nobody."""
    claims = {"role": role} | ({"sub": subject} if subject else {})
    settings = {
        "role": role,
        "request.jwt.claim.role": role,
        "request.jwt": "",
        "request.jwt.claim.sub": subject,
        "request.jwt.claims": json.dumps(claims),
        "request.headers": "{}",
        "request.method": "GET",
        "request.path": "/object",
        "storage.operation": operation,
        "storage.allow_delete_query": "true",
    }
    calls = ", ".join("set_config(%s, %s, true)" for _ in settings)
    session.execute(f"select {calls}".encode(), [part for pair in settings.items() for part in pair])


@dataclass(frozen=True)
class Who:
    """Whose token a request carries."""

    role: str = "authenticated"
    subject: str = ""


@dataclass(frozen=True)
class Answer:
    """The status in the answer's body where it has one, else that of HTTP."""

    status: int
    body: Any = None


# How the real one answers to what PostgreSQL refuses.
STATUS = {"42501": 403, "23505": 409, "23503": 404}
INSERT = (
    "insert into storage.objects (name, owner_id, bucket_id, metadata, version) values (%s, %s, %s, %s, %s) "
    "on conflict {conflict} returning version"
)
REPLACE = (
    "(name, bucket_id) do update set metadata = excluded.metadata, version = excluded.version, "
    "owner_id = excluded.owner_id"
)
PLACE = " from storage.objects where name = %s and bucket_id = %s limit 1"
MOVE = (
    "update storage.objects set name = %s, owner_id = %s, version = %s where bucket_id = %s and name = %s returning id"
)


class Missing(Exception):
    """404."""


class WrongType(Exception):
    """415."""


@dataclass
class Double:
    """Its requests on PostgreSQL, as its login, and on the object store."""

    url: str
    store: Store
    connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = psycopg.connect(self.url, autocommit=True)

    @contextmanager
    def _as(self, role: str, operation: str, subject: str = "", *, tried: bool = False) -> Iterator[Connection]:
        with self.connection.transaction(force_rollback=tried):
            scope(self.connection, role, f"storage.{operation}" if operation else "", subject)
            yield self.connection

    def _one(self, session: Connection, query: str, *values: Any) -> tuple[Any, ...]:
        found = session.execute(query.encode(), values).fetchone()
        if found is None:
            raise Missing
        return found

    def _answer(self, work: Any) -> Answer:
        try:
            return Answer(200, work())
        except Missing:
            return Answer(404)
        except WrongType:
            return Answer(415)
        except psycopg.Error as error:
            return Answer(STATUS.get(error.sqlstate or "", 500))

    def _key(self, bucket: str, name: str, version: str) -> str:
        return f"{self.store.tenant}/{bucket}/{name}/{version}"

    def _forget(self, *keys: str) -> None:
        both = [{"Key": key + end} for key in keys for end in ("", ".info")]
        self.store.s3.delete_objects(Bucket=self.store.bucket, Delete={"Objects": both})

    def _try(self, who: Who, operation: str, bucket: str, name: str, size: int, type: str, *, upsert: bool) -> None:
        """Whether they may, by a row that isn't kept."""
        metadata = json.dumps({"contentLength": size, "mimetype": type})
        with self._as(who.role, operation, who.subject, tried=True) as session:
            query = INSERT.format(conflict=REPLACE) if upsert else INSERT.replace("on conflict {conflict} ", "")
            session.execute(query.encode(), (name, who.subject or None, bucket, metadata, str(uuid.uuid4())))

    def _limits(self, bucket: str, type: str = "") -> None:
        query = "select file_size_limit, allowed_mime_types from storage.buckets where id = %s limit 1"
        with self._as(SUPER, "") as session:
            _, types = self._one(session, query, bucket)
        if type and types and type not in types:
            raise WrongType

    def _write(self, who: Who, operation: str, bucket: str, name: str, version: str) -> None:
        """The row of what is stored; what it replaces goes."""
        key = self._key(bucket, name, version)
        head = self.store.s3.head_object(Bucket=self.store.bucket, Key=key)
        metadata = {
            "eTag": head["ETag"],
            "size": head["ContentLength"],
            "mimetype": head["ContentType"],
            "cacheControl": head.get("CacheControl", "no-cache"),
            "contentLength": head["ContentLength"],
            "httpStatusCode": 200,
        }
        try:
            with self._as(SUPER, operation) as session:
                old = session.execute(f"select version{PLACE} for update".encode(), (name, bucket)).fetchone()
                values = (name, who.subject or None, bucket, json.dumps(metadata), version)
                session.execute(INSERT.format(conflict=REPLACE).encode(), values)
        except psycopg.Error:
            self._forget(key)
            raise
        if old:
            self._forget(self._key(bucket, name, old[0]))

    def _store(self, who: Who, operation: str, bucket: str, name: str, data: bytes, type: str) -> None:
        version = str(uuid.uuid4())
        key = self._key(bucket, name, version)
        self.store.s3.put_object(
            Bucket=self.store.bucket, Key=key, Body=data, ContentType=type, CacheControl="no-cache"
        )
        self._write(who, operation, bucket, name, version)

    def upload(self, who: Who, bucket: str, name: str, data: bytes, type: str, *, upsert: bool = False) -> Answer:
        operation = "object.upload"

        def work() -> None:
            self._limits(bucket, type)
            self._try(who, operation, bucket, name, len(data), type, upsert=upsert)
            self._store(who, operation, bucket, name, data, type)

        return self._answer(work)

    def upload_in_parts(self, who: Who, bucket: str, name: str, parts: Sequence[bytes], type: str) -> Answer:
        def work() -> None:
            size, version = sum(map(len, parts)), str(uuid.uuid4())
            at = {"Bucket": self.store.bucket, "Key": self._key(bucket, name, version)}
            note = {**at, "Key": f"{at['Key']}.info", "Body": b"{}"}
            s3, done = self.store.s3, list[dict[str, Any]]()
            self._limits(bucket)
            self._try(who, "tus.upload.create", bucket, name, size, type, upsert=False)
            upload = {**at, "UploadId": s3.create_multipart_upload(**at, ContentType=type)["UploadId"]}
            s3.put_object(**note)
            for number, part in enumerate(parts, 1):
                self._try(who, "tus.upload.part", bucket, name, size, type, upsert=False)
                tag = s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]
                done.append({"PartNumber": number, "ETag": tag})
            s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})
            s3.put_object(**note)
            self._write(who, "tus.upload.part", bucket, name, version)

        return self._answer(work)

    def sign_upload(self, who: Who, bucket: str, name: str) -> Answer:
        def work() -> str:
            # Of the request, which the stock client sends as an empty object.
            self._try(who, "object.sign_upload_url", bucket, name, 2, "application/json", upsert=False)
            return json.dumps([who.subject, bucket, name])

        return self._answer(work)

    def upload_signed(self, signed: str, data: bytes, type: str) -> Answer:
        subject, bucket, name = json.loads(signed)
        operation = "object.upload_signed"

        def work() -> None:
            self._limits(bucket, type)
            self._try(Who(SUPER, subject), operation, bucket, name, len(data), type, upsert=False)
            self._store(Who(SUPER, subject), operation, bucket, name, data, type)

        return self._answer(work)

    def list(self, who: Who, bucket: str, folder: str) -> Answer:
        with self._as(who.role, "object.list", who.subject) as session:
            query = 'select name from storage.objects where bucket_id = %s and name ^@ %s order by name collate "C"'
            found = session.execute(query.encode(), (bucket, folder)).fetchall()
        return Answer(200, [name.removeprefix(folder) for (name,) in found])

    def info(self, who: Who, bucket: str, name: str) -> Answer:
        def work() -> dict[str, Any]:
            self._limits(bucket)
            with self._as(who.role, "object.info_authenticated", who.subject) as session:
                version, size = self._one(session, f"select version, metadata -> 'size'{PLACE}", name, bucket)
                return {"version": version, "size": size}

        return self._answer(work)

    def _copied(self, bucket: str, name: str, version: str, to: str) -> str:
        """The bytes under another name, with their type and their tags."""
        new = str(uuid.uuid4())
        source = {"Bucket": self.store.bucket, "Key": self._key(bucket, name, version)}
        self.store.s3.copy_object(Bucket=self.store.bucket, Key=self._key(bucket, to, new), CopySource=source)
        return new

    def copy(self, who: Who, bucket: str, name: str, to: str) -> Answer:
        operation = "object.copy"

        def work() -> None:
            with self._as(who.role, operation, who.subject) as session:
                version, metadata = self._one(session, f"select version, metadata{PLACE}", name, bucket)
            self._try(who, operation, bucket, to, metadata["size"], metadata["mimetype"], upsert=False)
            self._write(who, operation, bucket, to, self._copied(bucket, name, version, to))

        return self._answer(work)

    def move(self, who: Who, bucket: str, name: str, to: str) -> Answer:
        operation = "object.move"

        def work() -> None:
            with self._as(who.role, operation, who.subject, tried=True) as session:
                self._one(session, f"select id{PLACE}", name, bucket)
                self._one(session, MOVE, to, who.subject, str(uuid.uuid4()), bucket, name)
            with self._as(SUPER, operation) as session:
                (version,) = self._one(session, f"select version{PLACE}", name, bucket)
            new = self._copied(bucket, name, version, to)
            with self._as(SUPER, operation) as session:
                self._one(session, f"select id{PLACE} for update", name, bucket)
                self._one(session, MOVE, to, who.subject, new, bucket, name)
            self._forget(self._key(bucket, name, version))

        return self._answer(work)

    def delete(self, who: Who, bucket: str, name: str) -> Answer:
        def work() -> None:
            with self._as(SUPER, "object.delete") as session:
                (version,) = self._one(session, f"select version{PLACE} for update", name, bucket)
            query = "delete from storage.objects where name = %s and bucket_id = %s returning id"
            with self._as(who.role, "object.delete", who.subject) as session:
                if not session.execute(query.encode(), (name, bucket)).fetchone():
                    raise psycopg.errors.InsufficientPrivilege
            self.store.s3.delete_object(Bucket=self.store.bucket, Key=self._key(bucket, name, version))

        return self._answer(work)

    def delete_many(self, who: Who, bucket: str, names: Sequence[str]) -> Answer:
        query = "delete from storage.objects where bucket_id = %s and name = any(%s) returning name, version"
        with self._as(who.role, "object.delete_many", who.subject) as session:
            gone = session.execute(query.encode(), (bucket, list(names))).fetchall()
        if gone:
            self._forget(*(self._key(bucket, *each) for each in gone))
        return Answer(200, sorted(name for name, _ in gone))

    def empty(self, who: Who, bucket: str) -> Answer:
        if who.role != SUPER:
            return Answer(403)
        # The job that does it says no operation, so that it sees what is clean.
        with self._as(SUPER, "") as session:
            query = "select name from storage.objects where bucket_id = %s"
            names = [name for (name,) in session.execute(query.encode(), (bucket,)).fetchall()]
        self.delete_many(Who(SUPER), bucket, names)
        return Answer(200)

    def create_bucket(self, who: Who, bucket: str) -> Answer:
        def work() -> None:
            with self._as(who.role, "bucket.create", who.subject) as session:
                session.execute("insert into storage.buckets (id, name) values (%s, %s)", (bucket, bucket))

        return self._answer(work)

    def delete_bucket(self, who: Who, bucket: str) -> Answer:
        def work() -> None:
            with self._as(SUPER, "bucket.delete") as session:
                self._one(session, "select id from storage.buckets where id = %s limit 1 for update", bucket)
                session.execute("delete from storage.buckets where id = %s", (bucket,))

        return self._answer(work)


FOLDER = os.environ.get("VPB_STORAGE_API", "")
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass
class Real:
    """The real one, over HTTP."""

    address: str

    def _call(
        self, method: str, path: str, who: Who | None = None, body: Any = None, **headers: str
    ) -> tuple[Answer, dict[str, str]]:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path.replace(" ", "%20"), data, method=method)
        if who:
            claims = {"role": who.role, "exp": int(time.time()) + 600} | ({"sub": who.subject} if who.subject else {})
            request.add_header("Authorization", f"Bearer {tokens.signed(SECRET, **claims)}")
        if data is not body:
            request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=120) as found:
                status, text, back = found.status, found.read(), found.headers
        except urllib.error.HTTPError as error:
            status, text, back = error.code, error.read(), error.headers
        try:
            answer = json.loads(text)
        except ValueError:
            answer = text.decode(errors="replace")
        told = answer.get("statusCode") if isinstance(answer, dict) else None
        return Answer(int(told or status), answer), {name.lower(): value for name, value in back.items()}

    def upload(self, who: Who, bucket: str, name: str, data: bytes, type: str, *, upsert: bool = False) -> Answer:
        more = {"Content_Type": type, "x_upsert": str(upsert).lower()}
        return self._call("POST", f"/object/{bucket}/{name}", who, data, **more)[0]

    def upload_in_parts(self, who: Who, bucket: str, name: str, parts: Sequence[bytes], type: str) -> Answer:
        facts = {"bucketName": bucket, "objectName": name, "contentType": type}
        metadata = ",".join(f"{word} {b64encode(value.encode()).decode()}" for word, value in facts.items())
        size = str(sum(map(len, parts)))
        more = {**TUS, "Upload_Length": size, "Upload_Metadata": metadata}
        answer, back = self._call("POST", "/upload/resumable", who, b"", **more)
        if answer.status != 201:
            return answer
        path, offset = back["location"][back["location"].index("/upload/") :], 0
        for part in parts:
            more = {**TUS, "Upload_Offset": str(offset), "Content_Type": "application/offset+octet-stream"}
            answer, _ = self._call("PATCH", path, who, part, **more)
            offset += len(part)
        return Answer(200) if answer.status == 204 else answer

    def sign_upload(self, who: Who, bucket: str, name: str) -> Answer:
        answer, _ = self._call("POST", f"/object/upload/sign/{bucket}/{name}", who, {})
        return Answer(200, answer.body["url"]) if answer.status == 200 else answer

    def upload_signed(self, signed: str, data: bytes, type: str) -> Answer:
        return self._call("PUT", signed, None, data, Content_Type=type)[0]

    def list(self, who: Who, bucket: str, folder: str) -> Answer:
        answer, _ = self._call("POST", f"/object/list/{bucket}", who, {"prefix": folder, "limit": 100, "offset": 0})
        return Answer(answer.status, [each["name"] for each in answer.body])

    def info(self, who: Who, bucket: str, name: str) -> Answer:
        return self._call("GET", f"/object/info/authenticated/{bucket}/{name}", who)[0]

    def copy(self, who: Who, bucket: str, name: str, to: str) -> Answer:
        return self._call("POST", "/object/copy", who, _from(bucket, name, to))[0]

    def move(self, who: Who, bucket: str, name: str, to: str) -> Answer:
        return self._call("POST", "/object/move", who, _from(bucket, name, to))[0]

    def delete(self, who: Who, bucket: str, name: str) -> Answer:
        return self._call("DELETE", f"/object/{bucket}/{name}", who)[0]

    def delete_many(self, who: Who, bucket: str, names: Sequence[str]) -> Answer:
        answer, _ = self._call("DELETE", f"/object/{bucket}", who, {"prefixes": list(names)})
        return Answer(answer.status, sorted(each["name"] for each in answer.body))

    def empty(self, who: Who, bucket: str) -> Answer:
        return self._call("POST", f"/bucket/{bucket}/empty", who)[0]

    def create_bucket(self, who: Who, bucket: str) -> Answer:
        return self._call("POST", "/bucket", who, {"id": bucket, "name": bucket, "public": False})[0]

    def delete_bucket(self, who: Who, bucket: str) -> Answer:
        return self._call("DELETE", f"/bucket/{bucket}", who)[0]


def _from(bucket: str, name: str, to: str) -> dict[str, str]:
    return {"bucketId": bucket, "sourceKey": name, "destinationKey": to}


@contextmanager
def real(variables: dict[str, str], log: Path) -> Iterator[Real]:
    """The built checkout in FOLDER, started with these variables on a free port."""
    port, admin = str(free_port()), str(free_port())
    more = {"AUTH_JWT_SECRET": SECRET, "SERVER_HOST": "127.0.0.1", "SERVER_PORT": port, "SERVER_ADMIN_PORT": admin}
    with log.open("w") as output:
        command = ["node", "dist/start/server.js"]
        process = subprocess.Popen(
            command, cwd=FOLDER, env={**os.environ, **variables, **more}, stdout=output, stderr=output
        )
        try:
            api, deadline = Real(f"http://127.0.0.1:{port}"), time.monotonic() + 120
            while not _answers(api):
                assert process.poll() is None, log.read_text()[-3000:]
                assert time.monotonic() < deadline, log.read_text()[-3000:]
                time.sleep(0.2)
            yield api
        finally:
            process.terminate()
            process.wait(30)


def _answers(api: Real) -> bool:
    try:
        return api._call("GET", "/status")[0].status == 200
    except OSError:
        return False

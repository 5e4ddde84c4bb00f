"""A storage bucket: a row of `storage.buckets`, with its limits."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from psycopg import sql

from declared.naming import STORAGE_BUCKET_ID, STORAGE_MIME_TYPE
from plugin.server import CheckFailure, Context
from plugin.wire import has_unknown
from provider.connection import Connection, row, rows
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind

# The other columns of a bucket's row, with what the Storage API writes where nobody asks for anything else.
COLUMNS = {
    "owner": None,
    "owner_id": None,
    "avif_autodetection": "false",
    "type": "STANDARD",
    "versioning_status": "DISABLED",
}
# How PostgreSQL writes those that are no text: written otherwise, a value would differ from itself after a read.
WRITTEN = {
    "avif_autodetection": (re.compile("true|false"), "true or false"),
    "owner": (re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "a uuid in lower case, with its hyphens"),
}
# A table of an older Storage API hasn't all of them.
THERE = """select attname::text as name from pg_catalog.pg_attribute
            where attrelid = 'storage.buckets'::pg_catalog.regclass and attname = any (%s) and not attisdropped"""

# How many files there are and how large; an upload that isn't finished has no size yet.
FILES = r"""
    with sized as (
        select name,
               case when metadata ->> 'size' ~ '^[0-9]{1,18}$' then (metadata ->> 'size')::bigint else 0 end as size
          from storage.objects where bucket_id = %s
    )
    select pg_catalog.count(*) as files, coalesce(pg_catalog.sum(size), 0) as bytes,
           pg_catalog.count(*) filter (where size > %s) as larger,
           pg_catalog.max(size) as largest,
           (pg_catalog.array_agg(name order by size desc, name))[1] as name
      from sized"""


class Bucket(ObjectKind):
    """`insert into storage.buckets …`; a bucket that still holds files isn't deleted."""

    token = "pg:index:Bucket"
    fields = {
        "bucket": Field(str, "the bucket's id and name", required=True, identity=True),
        "public": Field(bool, "whether anybody may read its files", default=False),
        "fileSizeLimit": Field(int, "the largest object, in bytes"),
        "allowedMimeTypes": Field(list, "what an object may be: `audio/mpeg`, `audio/*`"),
        "columns": Field(
            dict,
            "columns of its row that aren't to be as the Storage API leaves them, to their text: name, "
            + ", ".join(COLUMNS),
        ),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"bucket {inputs['bucket']}"

    async def check(
        self, context: Context, old: dict[str, Any], new: dict[str, Any]
    ) -> tuple[dict[str, Any], list[CheckFailure]]:
        """Columns that are declared to be as they are anyway are left out, as a read leaves them out."""
        inputs, failures = await super().check(context, old, new)
        if not failures and inputs.get("columns") and not has_unknown(inputs):
            usual = {"name": inputs["bucket"]} | COLUMNS
            columns = {name: value for name, value in inputs["columns"].items() if value != usual[name]}
            inputs = {**inputs, "columns": columns}
        return inputs, failures

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        failures = []
        if not STORAGE_BUCKET_ID.fullmatch(inputs["bucket"]):
            failures.append(
                CheckFailure(
                    "bucket", f"'{inputs['bucket']}' is no bucket name: 1 to 100 of A-Z a-z 0-9 _!-.*'() &$@=;:+,?"
                )
            )
        failures += [
            CheckFailure("columns", f"'{column}' is no column that can be declared here: name, {', '.join(COLUMNS)}")
            for column in inputs.get("columns") or {}
            if column != "name" and column not in COLUMNS
        ]
        failures += [
            CheckFailure("columns", f"{column} must be {WRITTEN[column][1]}, not '{value}'")
            for column, value in (inputs.get("columns") or {}).items()
            if column in WRITTEN and not WRITTEN[column][0].fullmatch(value)
        ]
        if inputs.get("fileSizeLimit", 1) < 1:
            failures.append(CheckFailure("fileSizeLimit", "must be at least one byte"))
        for entry in inputs.get("allowedMimeTypes") or []:
            if not isinstance(entry, str) or not STORAGE_MIME_TYPE.fullmatch(entry):
                failures.append(CheckFailure("allowedMimeTypes", f"'{entry}' is no MIME type, nor type/*"))
        return failures

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name == "allowedMimeTypes":
            return sorted(one or []) == sorted(other or [])
        return (one or {}) == (other or {}) if name == "columns" else super().same(name, one, other)

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        there = await row(connection, "select pg_catalog.to_regclass('storage.buckets') as oid", [])
        if there is None or there["oid"] is None:
            return None
        found = await row(
            connection,
            """select id as bucket, public, file_size_limit as "fileSizeLimit",
                      allowed_mime_types as "allowedMimeTypes", pg_catalog.to_jsonb(b) as stored
                 from storage.buckets b where id = %s""",
            [inputs["bucket"]],
        )
        if found is None:
            return None
        stored = {name: None if value is None else _text(value) for name, value in found.pop("stored").items()}
        usual = {"name": found["bucket"]} | COLUMNS
        columns = {name: stored[name] for name in usual if name in stored and stored[name] != usual[name]}
        return found | {"columns": columns or None}

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        await connection.execute(
            "insert into storage.buckets (id, name) values (%s, %s)", [inputs["bucket"], inputs["bucket"]]
        )
        await self._put(connection, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        await self._refuse_to_shrink(connection, new)
        await self._put(connection, new)

    async def _put(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        values = {
            "public": inputs["public"],
            "file_size_limit": inputs.get("fileSizeLimit"),
            "allowed_mime_types": inputs.get("allowedMimeTypes"),
        }
        there = {entry["name"] for entry in await rows(connection, THERE, [["name", *COLUMNS]])}
        wanted = {"name": inputs["bucket"]} | COLUMNS | (inputs.get("columns") or {})
        values |= {name: value for name, value in wanted.items() if name in there}
        # A text literal takes the type of its column.
        pairs = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in values.items()]
        await connection.execute(
            sql.SQL("update storage.buckets set {} where id = {}").format(
                sql.SQL(", ").join(pairs), sql.Literal(inputs["bucket"])
            )
        )

    async def _refuse_to_shrink(self, connection: Connection, new: Mapping[str, Any]) -> None:
        """The Storage API would go on serving what is larger, and refuse to take it again after a move or a restore."""
        limit = new.get("fileSizeLimit")
        if limit is None:
            return
        files = await row(connection, FILES, [new["bucket"], limit])
        if files and files["larger"]:
            raise Refused(below_files(new["bucket"], limit, files))

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        if await self.find(connection, state) is None:
            return
        files = await row(connection, FILES, [state["bucket"], 0])
        if files and files["files"]:
            raise Refused(
                f"{self.label(state)} holds {files['files']} files, {files['bytes']} bytes; declare it again, or "
                f"{how_to_empty(state['bucket'])}, and run again"
            )
        # Storage's own guard against deletes that leave files behind; the count above has just shown there are none.
        await connection.execute("set local storage.allow_delete_query = 'true'")
        await connection.execute("delete from storage.buckets where id = %s", [state["bucket"]])


def below_files(bucket: str, limit: int, files: Mapping[str, Any]) -> str:
    """Why a limit can't be set, with the figures of FILES."""
    return (
        f"bucket {bucket}: fileSizeLimit {limit} is below {files['larger']} of its {files['files']} files, the "
        f"largest {files['largest']} bytes ({files['name']}); set it to {files['largest']} or more, or remove "
        f"these for good by `{_empty(bucket, f'--larger-than {limit} ')}`"
    )


def how_to_empty(bucket: str) -> str:
    """The command that removes a bucket's files."""
    return f"remove its files for good by `{_empty(bucket)}`"


def _empty(bucket: str, options: str = "") -> str:
    word = shlex.quote(bucket)
    return f"./vpb storage empty {word} {options}--confirm {word}"


def _text(value: Any) -> str:
    """A value of JSON as PostgreSQL would write it in a text."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)

"""A storage bucket: a row of `storage.buckets`, with its limits."""

import re
from collections.abc import Mapping
from typing import Any

from pgprovider.connection import Connection, row
from pgprovider.errors import Refused
from pgprovider.resources.base import Field, ObjectKind
from plugin.server import CheckFailure

# Supabase Storage's own rule for a bucket's name, and its trigger's limit of 100 characters.
NAME = re.compile(r"[\w!\-.*'() &$@=;:+,?]{1,100}", re.ASCII)
MIME_TYPE = re.compile(r"[a-z]+/(\*|[a-z0-9][a-z0-9!#$&^_.+\-]*)")

# How many objects there are and how large; an upload that isn't finished has no size yet.
HELD = r"""
    with sized as (
        select name,
               case when metadata ->> 'size' ~ '^[0-9]{1,18}$' then (metadata ->> 'size')::bigint else 0 end as size
          from storage.objects where bucket_id = %s
    )
    select pg_catalog.count(*) as objects, coalesce(pg_catalog.sum(size), 0) as bytes,
           pg_catalog.count(*) filter (where size > %s) as larger,
           pg_catalog.max(size) as largest,
           (pg_catalog.array_agg(name order by size desc, name))[1] as name
      from sized"""


class Bucket(ObjectKind):
    """`insert into storage.buckets …`; a bucket that still holds objects isn't deleted."""

    token = "pg:index:Bucket"
    fields = {
        "bucket": Field(str, "the bucket's id and name", required=True, identity=True),
        "public": Field(bool, "whether anybody may read its objects", default=False),
        "fileSizeLimit": Field(int, "the largest object, in bytes"),
        "allowedMimeTypes": Field(list, "what an object may be: `audio/mpeg`, `audio/*`"),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"bucket {inputs['bucket']}"

    def wrong(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        failures = []
        if not NAME.fullmatch(inputs["bucket"]):
            failures.append(
                CheckFailure(
                    "bucket", f"'{inputs['bucket']}' is no bucket name: 1 to 100 of A-Z a-z 0-9 _!-.*'() &$@=;:+,?"
                )
            )
        if inputs.get("fileSizeLimit", 1) < 1:
            failures.append(CheckFailure("fileSizeLimit", "must be at least one byte"))
        for entry in inputs.get("allowedMimeTypes") or []:
            if not isinstance(entry, str) or not MIME_TYPE.fullmatch(entry):
                failures.append(CheckFailure("allowedMimeTypes", f"'{entry}' is no MIME type, nor type/*"))
        return failures

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name == "allowedMimeTypes":
            return sorted(one or []) == sorted(other or [])
        return super().same(name, one, other)

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        there = await row(connection, "select pg_catalog.to_regclass('storage.buckets') as oid", [])
        if there is None or there["oid"] is None:
            return None
        return await row(
            connection,
            """select id as bucket, public, file_size_limit as "fileSizeLimit", allowed_mime_types as "allowedMimeTypes"
                 from storage.buckets where id = %s""",
            [inputs["bucket"]],
        )

    def _values(self, inputs: Mapping[str, Any]) -> list[Any]:
        return [inputs["public"], inputs.get("fileSizeLimit"), inputs.get("allowedMimeTypes"), inputs["bucket"]]

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        await connection.execute(
            """insert into storage.buckets (public, file_size_limit, allowed_mime_types, id, name)
               values (%s, %s, %s, %s, %s)""",
            [*self._values(inputs), inputs["bucket"]],
        )

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        await self._refuse_to_shrink(connection, new)
        await connection.execute(
            "update storage.buckets set public = %s, file_size_limit = %s, allowed_mime_types = %s where id = %s",
            self._values(new),
        )

    async def _refuse_to_shrink(self, connection: Connection, new: Mapping[str, Any]) -> None:
        """The Storage API would go on serving what is larger, and refuse to take it again after a move or a restore."""
        limit = new.get("fileSizeLimit")
        if limit is None:
            return
        held = await row(connection, HELD, [new["bucket"], limit])
        if held and held["larger"]:
            raise Refused(
                f"{self.label(new)}: fileSizeLimit {limit} is below {held['larger']} of its {held['objects']} objects, "
                f"the largest {held['largest']} bytes ({held['name']}); set it to {held['largest']} or more, "
                "or delete these through the Storage API first"
            )

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        if await self.find(connection, state) is None:
            return
        held = await row(connection, HELD, [state["bucket"], 0])
        if held and held["objects"]:
            raise Refused(
                f"{self.label(state)} holds {held['objects']} objects, {held['bytes']} bytes; declare it again, or "
                f"empty it through the Storage API (emptyBucket('{state['bucket']}')), which deletes the files too, "
                "and run again"
            )
        # Storage's own guard against deletes that leave files behind; the count above has just shown there are none.
        await connection.execute("set local storage.allow_delete_query = 'true'")
        await connection.execute("delete from storage.buckets where id = %s", [state["bucket"]])

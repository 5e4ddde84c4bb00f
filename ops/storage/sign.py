"""Signs URLs manually, with the limits that the environment declares: for support, tests and scripts.

An app's server calls the same functions of the package for Python or the one for TypeScript.
"""

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from visual_prompt_builder.names import ObjectError, check_name, shown
from visual_prompt_builder.signing import LARGEST_UPLOAD, Upload, check_seconds, sign_cdn, sign_download, sign_upload
from visual_prompt_builder.uploads import Stored, finish_upload

from ops.database import connect
from ops.environment import Environment

HERE = """
select exists (select from public.users as u where u.id::text = %s)
    and not exists (select from private.departures as d where d.user_id::text = %s)
"""
LATEST = """
select o.version, coalesce(s.status, 'pending')
from storage.objects as o left join private.object_scans as s using (bucket_id, name, version)
where o.bucket_id = %s and o.name = %s
"""


def upload(stack: str, bucket: str, name: str, type: str, person: str, seconds: int, size: int | None) -> Upload:
    """A form that uploads exactly this object: its key, its type, so many bytes; they are taken of the quota.

    :param size: how many bytes the file has; None is the bucket's limit
    :raises ObjectError: for what can't be signed
    """
    folder = check_name(name).partition("/")[0]
    environment = Environment.of(stack)
    declared = environment.bucket(bucket)
    wanted = declared.largest(LARGEST_UPLOAD) if size is None else size
    declared.check_size(wanted, LARGEST_UPLOAD, "in one form")
    given: dict[str, Any] = {"folder": folder, "person": person, "seconds": seconds}
    # What can't be signed takes nothing.
    sign_upload(environment.store, declared, name, type, room=size, **given)
    room = _take_room(environment.admin_url, bucket, name, wanted)
    return sign_upload(environment.store, declared, name, type, room=room, **given)


def finish(stack: str, bucket: str, name: str, version: str, person: str) -> Stored:
    """What a form has sent, as a version of the object; its row is the caller's to write.

    :raises ObjectError: where nothing was sent by a form of this person, or they have left
    """
    folder = check_name(name).partition("/")[0]
    environment = Environment.of(stack)
    with connect(environment.admin_url, "vpb sign") as connection:
        if connection.execute(HERE, (person, person)).fetchone() != (True,):
            raise ObjectError(f"object {bucket}/{name}: person {shown(person)} has no account here; nothing was stored")
    return finish_upload(environment.store, bucket, name, version, folder=folder, person=person)


def download(
    stack: str, bucket: str, name: str, version: str | None, seconds: int, filename: str | None, unscanned: bool
) -> dict[str, str]:
    """An address that reads this object, whole or in ranges, with what it is of.

    :raises ObjectError: for what can't be signed
    """
    check_name(name)
    environment = Environment.of(stack)
    found = version or _latest(environment.admin_url, bucket, name, unscanned)
    url = sign_download(environment.store, bucket, name, found, seconds=seconds, filename=filename)
    return {"url": url, "bucket": bucket, "name": name, "version": found}


def cdn(url: str, key_id: str, private_key: Path, seconds: int) -> dict[str, str]:
    """The CDN's address, signed with a key of its key group.

    :raises ObjectError: for what can't be signed
    """
    check_seconds(seconds)
    try:
        pem = private_key.read_bytes()
    except OSError as error:
        raise ObjectError(f"CDN key {private_key}: {error.strerror}") from None
    return {"url": sign_cdn(url, key_id, pem, datetime.now(UTC) + timedelta(seconds=seconds))}


def _latest(url: str, bucket: str, name: str, unscanned: bool) -> str:
    with connect(url, "vpb sign") as connection:
        row = connection.execute(LATEST, (bucket, name)).fetchone()
    if row is None or row[0] is None:
        raise ObjectError(f"object {bucket}/{name}: has no row in storage.objects; name its --version")
    if row[1] != "clean" and not unscanned:
        raise ObjectError(f"object {bucket}/{name}: the virus scan says {row[1]}; --unscanned signs it all the same")
    return str(row[0])


def _take_room(url: str, bucket: str, name: str, size: int) -> int | None:
    with connect(url, "vpb sign") as connection:
        row = connection.execute("select public.take_room(%s, %s, %s)", (bucket, name, size)).fetchone()
    return row[0] if row else None


def as_curl(signed: Upload) -> str:
    """The form as a command for a shell."""
    # The file comes last: the store reads no field after it.
    fields = " ".join(f"--form-string {shlex.quote(f'{name}={value}')}" for name, value in signed.fields.items())
    return f"curl --fail-with-body {fields} --form file=@FILE {shlex.quote(signed.url)}"

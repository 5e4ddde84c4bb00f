"""Signed URLs: one upload of one file, one file to read, for minutes; the CDN's with a key of its key group.

Who may have one is decided before: ask for the row of `storage.objects` as the person who asks, and row security says.
A signed URL is good for anyone who holds it. The same in TypeScript is `clients/typescript/src/signing.ts`.
"""

import functools
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import boto3
from botocore.config import Config
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from visual_prompt_builder.names import (
    CACHE_CONTROL,
    LONGEST_SECONDS,
    TENANT,
    Bucket,
    ObjectError,
    cdn_path,
    check_folder,
    check_room,
    form_mark,
    key,
    shown,
    spelled,
    upload_key,
)
from visual_prompt_builder.names import DOWNLOAD_SECONDS as DOWNLOAD_SECONDS
from visual_prompt_builder.names import UPLOAD_SECONDS as UPLOAD_SECONDS

# Amazon S3 takes no more in one request.
LARGEST_UPLOAD = 5 * 2**30
HOST = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?")


@dataclass(frozen=True, kw_only=True)
class Store:
    """The object bucket and how to reach it; without a key of its own, boto3 looks for one in its usual places."""

    bucket: str
    """The stack output `object_bucket`."""
    region: str
    endpoint: str | None = None
    """The stack output `s3_endpoint`; None for AWS itself."""
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    tenant: str = TENANT

    @property
    def s3(self) -> Any:
        """A client of the store."""
        return _client(self)


@functools.lru_cache(maxsize=16)
def _client(store: Store) -> Any:
    style = "path" if store.endpoint else "virtual"
    return boto3.client(
        "s3",
        region_name=store.region,
        endpoint_url=store.endpoint,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        aws_session_token=store.session_token,
        config=Config(signature_version="s3v4", s3={"addressing_style": style}, retries={"mode": "standard"}),
    )


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A form to send by POST: `fields` in their order, then the file as the last one, named `file`."""

    url: str
    fields: dict[str, str]
    bucket: str
    name: str
    version: str
    """For `finish_upload`, and the row of `storage.objects` after it."""
    key: str
    """Where it lies until then."""
    largest: int
    """How many bytes it may have."""
    expires_at: str


def sign_upload(
    store: Store,
    bucket: Bucket,
    name: str,
    content_type: str,
    *,
    folder: str,
    person: str,
    room: int | None,
    seconds: int = UPLOAD_SECONDS,
    version: str | None = None,
) -> Upload:
    """A form with which anybody can upload exactly this object: its key, its type, 1 byte to the bucket's limit.

    Not more than there is room for. What it sends is no object yet: `finish_upload` makes it one, for the same person.

    :param folder: the id of the project, or of the person, by the bucket's access; the name must begin with it
    :param person: whose form it is
    :param room: how many bytes of the quota it was given, as `public.take_room` of the database answers; None: no limit
    :raises ObjectError: for a name, a type or a time that can't be used, and where there is no room
    """
    version = version or str(uuid.uuid4())
    object_key = upload_key(store.tenant, bucket.id, name, version)
    check_folder(name, folder)
    bucket.check_type(content_type)
    check_seconds(seconds)
    check_room(bucket.id, name, 1, room)
    largest = min(bucket.largest(LARGEST_UPLOAD), LARGEST_UPLOAD if room is None else room)
    fields = {
        "Content-Type": content_type,
        "Cache-Control": CACHE_CONTROL,
        "x-amz-meta-form": form_mark(version, person),
    }
    expires = expiry(seconds)
    conditions = [["content-length-range", 1, largest], *({name: value} for name, value in fields.items())]
    form = store.s3.generate_presigned_post(
        store.bucket, object_key, Fields=dict(fields), Conditions=conditions, ExpiresIn=seconds
    )
    return Upload(
        **form, bucket=bucket.id, name=name, version=version, key=object_key, largest=largest, expires_at=expires
    )


def sign_download(
    store: Store,
    bucket: str,
    name: str,
    version: str,
    *,
    seconds: int = DOWNLOAD_SECONDS,
    filename: str | None = None,
) -> str:
    """A URL that reads this version of an object, whole or in ranges; with `filename` a browser saves it as that.

    :raises ObjectError: for a name, a version or a time that can't be used
    """
    object_key = key(store.tenant, bucket, name, version)
    check_seconds(seconds)
    wanted = {"Bucket": store.bucket, "Key": object_key}
    if filename is not None:
        wanted["ResponseContentDisposition"] = _attachment(filename)
    return str(store.s3.generate_presigned_url("get_object", wanted, ExpiresIn=seconds))


def cdn_url(domain: str, bucket: str, name: str, version: str) -> str:
    """The CDN's address of one version of an object: as it is in a public bucket, else for `sign_cdn`.

    :param domain: the stack output `cdn_domain`
    :raises ObjectError: for a domain, a name or a version that can't be used
    """
    if not HOST.fullmatch(domain):
        raise ObjectError(f"CDN domain {shown(domain)}: must be a host name")
    return f"https://{domain}{cdn_path(bucket, name, version)}"


def sign_cdn(url: str, key_id: str, private_key: str | bytes, expires: datetime) -> str:
    """The CDN's URL, good until `expires`: CloudFront's canned policy, signed by a key of the behaviour's key group.

    :param private_key: an RSA key as PEM, not encrypted
    :raises ObjectError: for a URL or a key that can't be used; the key is in no message
    """
    domain, slash, path = url.removeprefix("https://").partition("/")
    if not url.startswith("https://") or not HOST.fullmatch(domain) or not slash or "?" in path or "#" in path:
        raise ObjectError(f"CDN address {shown(url)}: must be https://domain/path, and nothing after it")
    if expires.tzinfo is None:
        raise ObjectError("CDN address: the time of expiry must have a time zone")
    signer = CloudFrontSigner(key_id, functools.partial(_rsa, _private(private_key)))
    path = spelled("/".join(unquote(part) for part in path.split("/")))
    return str(signer.generate_presigned_url(f"https://{domain}/{path}", date_less_than=expires))


def _attachment(filename: str) -> str:
    try:
        return f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
    except UnicodeEncodeError:
        raise ObjectError(f"file name {shown(filename)}: is no text") from None


def expiry(seconds: int) -> str:
    """When something ends that is signed for so long from now on."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_seconds(seconds: int) -> None:
    """
    :raises ObjectError: for a time that nothing is signed for
    """
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise ObjectError(f"time {seconds} s: must be 1 to {LONGEST_SECONDS} seconds")


def _private(pem: str | bytes) -> rsa.RSAPrivateKey:
    try:
        found = load_pem_private_key(pem.encode() if isinstance(pem, str) else pem, password=None)
    except (ValueError, TypeError):
        found = None
    if not isinstance(found, rsa.RSAPrivateKey):
        raise ObjectError("CDN key: must be an RSA private key as PEM, not encrypted")
    return found


def _rsa(private: rsa.RSAPrivateKey, message: bytes) -> bytes:
    # CloudFront knows canned policies by SHA-1 and PKCS 1 v1.5; both are deterministic.
    return private.sign(message, padding.PKCS1v15(), SHA1())

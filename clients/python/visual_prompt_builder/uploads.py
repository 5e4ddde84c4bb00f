"""What follows a signed upload: the file is put where its form can't reach it any more, and its row is written.

A form can be sent as often as somebody likes until it expires. A file that was scanned must not be replaced by the same
form afterwards, so it is copied to a version of its own first.
The same in TypeScript is `clients/typescript/src/uploads.ts`.
"""

import uuid
from dataclasses import dataclass

from botocore.exceptions import ClientError

from visual_prompt_builder.names import ObjectError, key, shown
from visual_prompt_builder.signing import Store


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the row of `storage.objects` says of a file; all of it as the store has it, nothing as a browser says it."""

    bucket: str
    name: str
    version: str
    size: int
    content_type: str
    etag: str

    @property
    def metadata(self) -> dict[str, object]:
        """The row's column `metadata`, by the Storage API's names."""
        return {"size": self.size, "mimetype": self.content_type, "eTag": self.etag, "contentLength": self.size}


def finish_upload(store: Store, bucket: str, name: str, version: str) -> Stored:
    """Take over what was uploaded by the form with this version; the version to write down is another one.

    It can be called again after a failure. What it left behind then has no row, and goes with the other orphans.

    :raises ObjectError: where nothing was uploaded, or something was taken over already
    """
    uploaded = key(store.tenant, bucket, name, version)
    try:
        head = store.s3.head_object(Bucket=store.bucket, Key=uploaded)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        raise ObjectError(f"object {shown(f'{bucket}/{name}')}: nothing was uploaded as version {version}") from None
    final = str(uuid.uuid4())
    exactly = {"VersionId": head["VersionId"]} if "VersionId" in head else {}
    store.s3.copy_object(
        Bucket=store.bucket,
        Key=key(store.tenant, bucket, name, final),
        CopySource={"Bucket": store.bucket, "Key": uploaded, **exactly},
        # GuardDuty may have tagged the original by now, and tags are copied by those only who may set them.
        TaggingDirective="REPLACE",
    )
    store.s3.delete_object(Bucket=store.bucket, Key=uploaded, **exactly)
    return Stored(
        bucket=bucket,
        name=name,
        version=final,
        size=head["ContentLength"],
        content_type=head["ContentType"],
        etag=head["ETag"],
    )

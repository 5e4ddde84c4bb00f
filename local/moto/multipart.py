"""When an upload in parts was begun, which moto doesn't keep: it says 2010 of each.

As on the page "ListMultipartUploads" of the Amazon S3 API reference: `Initiated` is the date and time of its beginning.
"""

from collections.abc import Callable
from typing import Any

from moto.core.utils import iso_8601_datetime_with_milliseconds, utcnow
from moto.s3.models import FakeMultipart
from moto.s3.responses import S3Response

KEPT = "local_begun"


def _begun(original: Callable[..., None]) -> Callable[..., None]:
    def begin(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        setattr(self, KEPT, utcnow())

    return begin


def _serialized(original: Callable[..., Any]) -> Callable[..., Any]:
    def serialized(self: Any, action_result: Any) -> Any:
        result = action_result.result
        if self.data.get("Action") == "ListMultipartUploads" and isinstance(result, dict):
            uploads = self.backend.list_multipart_uploads(self.bucket_name)
            for answer in result["Uploads"]:
                # One of a state file that was written before this was kept began by now.
                begun = uploads[answer["UploadId"]].__dict__.setdefault(KEPT, utcnow())
                answer["Initiated"] = iso_8601_datetime_with_milliseconds(begun)
        return original(self, action_result)

    return serialized


def install() -> None:
    FakeMultipart.__init__ = _begun(FakeMultipart.__init__)
    S3Response.serialized = _serialized(S3Response.serialized)

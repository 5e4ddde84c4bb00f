"""What moto holds, asked without credentials and without an SDK, since each run of the program asks."""

import urllib.error
import urllib.request
from collections.abc import Iterable


def bucket_exists(endpoint: str, bucket: str) -> bool:
    """Whether there is such a bucket: a private one answers 403, a missing one 404."""
    request = urllib.request.Request(f"{endpoint}/{bucket}", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=10):
            return True
    except urllib.error.HTTPError as error:
        return error.code != 404
    except OSError:
        return False


def existing(endpoint: str, buckets: Iterable[str]) -> frozenset[str]:
    """Those of the buckets that there are."""
    return frozenset(bucket for bucket in buckets if bucket_exists(endpoint, bucket))

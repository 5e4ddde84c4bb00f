"""Where an object lies in the one S3 bucket: as Supabase's Storage API writes and reads it.

A key is `<tenant>/<bucket>/<name>/<version>`, the version a new uuid for each upload. So what lies under a key never
changes, and the CDN may keep it for ever. `objects/names.py` makes the keys.
"""

from objects.names import TENANT as TENANT

# Where the scanner puts what it found infected: outside the tenant, so that neither the API nor the CDN reaches it.
QUARANTINE = "quarantine"


def prefix(bucket: str) -> str:
    """What every key of a storage bucket begins with."""
    return f"{TENANT}/{bucket}/"


def cdn_path(bucket: str) -> str:
    """The paths at the CDN under which a storage bucket's objects are: the keys without the tenant."""
    return f"/{bucket}/*"

"""Where an object lies in the one S3 bucket: as Supabase's Storage API writes and reads it; and the tags of a scan.

A key is `<tenant>/<bucket>/<name>/<version>`, the version a new uuid for each upload. So what lies under a key never
changes, and the CDN may keep it for ever. `clients/python/visual_prompt_builder/names.py` makes the keys.
"""

# What the Storage API calls itself where it serves one tenant only (its setting TENANT_ID).
TENANT = "storage-single-tenant"

# What signed forms send lies below this, for a day at most, until it is taken over as an object.
UPLOADS = "uploads"

# Where the scanner puts what it found infected: outside the tenant, so that neither the API nor the CDN reaches it.
QUARANTINE = "quarantine"

# How long what was deleted or overwritten can be had back.
DAYS_OF_OLD_VERSIONS = 30

# What a file that was scanned clean is tagged with, by our own scanner and by GuardDuty.
CLEAN_TAGS = {"clamav": ("scan", "clean"), "guardduty": ("GuardDutyMalwareScanStatus", "NO_THREATS_FOUND")}
SCAN_TAG = CLEAN_TAGS["clamav"][0]
GUARDDUTY_TAG, GUARDDUTY_CLEAN = CLEAN_TAGS["guardduty"]
GUARDDUTY_THREAT = "THREATS_FOUND"


def prefix(bucket: str) -> str:
    """What every key of a storage bucket begins with."""
    return f"{TENANT}/{bucket}/"


def cdn_path(bucket: str) -> str:
    """The paths at the CDN under which a storage bucket's objects are: the keys without the tenant."""
    return f"/{bucket}/*"

"""Where an object lies in the one S3 bucket: as Supabase's Storage API writes and reads it; and the tags of a scan.

A key is `<tenant>/<bucket>/<name>/<version>`, the version a new uuid for each upload. So what lies under a key never
changes, and the CDN may keep it for ever. `clients/python/visual_prompt_builder/names.py` makes the keys.
"""

from typing import Literal, get_args

# What the Storage API calls itself where it serves one tenant only (its setting TENANT_ID).
TENANT = "storage-single-tenant"

# What signed forms and parts send lies below this until it is taken over as an object, or swept.
UPLOADS = "uploads"

# Where the scanner puts what it found infected: outside the tenant, so that neither the API nor the CDN reaches it.
QUARANTINE = "quarantine"

# Where months of large tables lie that were dropped: outside the tenant too, and without an end.
ARCHIVES = "archives"

# How long what was deleted or overwritten can be had back.
DAYS_OF_OLD_VERSIONS = 30

# What scans uploads, and what it tags a clean file with: our own scanner with ClamAV, and Amazon GuardDuty.
Scanner = Literal["clamav", "guardduty"]
CLAMAV, GUARDDUTY = get_args(Scanner)
CLEAN_TAGS = {CLAMAV: ("scan", "clean"), GUARDDUTY: ("GuardDutyMalwareScanStatus", "NO_THREATS_FOUND")}
SCAN_TAG = CLEAN_TAGS[CLAMAV][0]
GUARDDUTY_TAG, GUARDDUTY_CLEAN = CLEAN_TAGS[GUARDDUTY]
GUARDDUTY_THREAT = "THREATS_FOUND"


def prefix(bucket: str) -> str:
    """What every key of a storage bucket begins with."""
    return f"{TENANT}/{bucket}/"


def cdn_pattern(bucket: str) -> str:
    """The paths at the CDN under which a storage bucket's objects are: the keys without the tenant."""
    return f"/{bucket}/*"

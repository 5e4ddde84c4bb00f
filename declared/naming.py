"""The rules for names that come from outside, before one becomes a path, an identifier or a part of a bucket's name.

A name that breaks its rule is refused in one line, before anything starts or is written.
"""

import re

from declared.errors import UserError

# Of this project's settings, as a stack's file has it before each key.
NAMESPACE = "database"
LONGEST_STACK = 30
# A folder's name and a part of S3 bucket names (vpb-<stack>-<account>-objects, of 63 characters at most).
STACK = re.compile(rf"[a-z]([a-z0-9-]{{0,{LONGEST_STACK - 2}}}[a-z0-9])?")
STACK_RULE = f"a-z, 0-9 and -, a letter first, no - at the end, at most {LONGEST_STACK} characters"
# What names of resources at AWS begin with that are names of others without it; a test holds that there are no more.
SHARED = ("-health", "-readers")
# What `.local` holds beside a folder for each stack.
RESERVED = frozenset({"state", "passphrase", "backups", "templates"})
# A storage bucket's id and a MIME type: what Supabase Storage takes, which a bucket that is there already may have.
STORAGE_BUCKET_ID = re.compile(r"[\w!\-.*'() &$@=;:+,?]{1,100}", re.ASCII)
STORAGE_MIME_TYPE = re.compile(r"[a-z]+/(\*|[a-z0-9][a-z0-9!#$&^_.+\-]*)")
# What is declared here is safe in a URL, a shell and a bucket policy as well.
BUCKET_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
MIME_TYPE = re.compile(r"[a-z]+/(\*|[a-z0-9][a-z0-9.+_-]*)")
# The top-level types of the IANA registry (RFC 6838, section 4.2); another one can't match any upload.
MIME_FAMILIES = {"application", "audio", "font", "image", "message", "model", "multipart", "text", "video"}
# A migration's two files, and the migration itself.
STEP = re.compile(r"[0-9]{4}_[a-z0-9_]+")
STEP_FILE = re.compile(r"(?P<number>\d{4})_(?P<words>[a-z0-9_]+)\.(?P<direction>up|down)\.sql")


class NameRefused(UserError, ValueError):
    """A name that can't be used; the text is one line."""


def stack(name: str) -> str:
    """The name of a stack, if it is one.

    :raises NameRefused: with the rule
    """
    if not STACK.fullmatch(name):
        raise NameRefused(f"stack {name!r}: a stack's name has {STACK_RULE}, such as dev or pr-12")
    # prod-health at AWS would have an alarm health-… of prod, and prod one of prod-health.
    if name.endswith(SHARED):
        raise NameRefused(
            f"stack {name!r}: a name that ends with {' or '.join(SHARED)} shares names at AWS with the stack that is "
            "called as what comes before; choose another one"
        )
    if name in RESERVED:
        raise NameRefused(f"stack {name!r}: this name is taken in .local; choose another one")
    return name

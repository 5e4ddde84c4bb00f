"""Who made an object, and which resources hold it: a note in the database, so that nobody drops what isn't theirs.

The engine's state can't say it: a lost state, a renamed resource, a second stack or a killed run all find objects that
are there already. The note is written in the transaction that makes or adopts the object.
"""

import os

# Set by `./pulumiw destroy` and `down` to the stack that is destroyed. Without it nothing that holds rows is deleted:
# the engine deletes a resource also where only its name in the program changed.
DESTROY = "VPB_DESTROY"


def destroying(urn: str) -> bool:
    """Whether the run destroys the stack that the resource belongs to."""
    return os.environ.get(DESTROY) == urn.removeprefix("urn:pulumi:").partition("::")[0]

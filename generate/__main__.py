"""`python -m generate`: write every generated file that isn't up to date."""

import sys

from pulumi import RunError

from declared.errors import UserError
from declared.paths import CHECKOUT
from generate import files
from harness.scratch import ProvisioningFailed
from toolchain import ToolchainError


def main() -> int:
    """Write what differs, and name it."""
    try:
        written = files.write()
    except (UserError, ToolchainError, ProvisioningFailed, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(f"{'wrote' if path.exists() else 'removed'} {path.relative_to(CHECKOUT)}")
    return 0


sys.exit(main())

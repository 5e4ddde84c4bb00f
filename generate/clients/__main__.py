"""`python -m generate.clients`: write the generated files of the clients that aren't up to date; `make types`."""

import sys

from pulumi import RunError

from declared.errors import UserError
from declared.paths import CHECKOUT
from generate import files
from generate.clients import files as clients
from harness import scratch
from toolchain import ToolchainError


def main() -> int:
    """Write what differs, and name it."""
    try:
        with scratch.server() as server:
            scratch.complete(server.url())
            made = clients.made(server.url())
    except (UserError, ToolchainError, scratch.ProvisioningFailed, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in files.replaced(made):
        print(f"{'wrote' if path.exists() else 'removed'} {path.relative_to(CHECKOUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

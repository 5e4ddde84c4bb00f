"""`python -m generate.clients`: write the generated files of the clients that aren't up to date; `make types`."""

import sys

from declared.errors import UserError
from declared.paths import CHECKOUT
from generate.clients import files
from harness import scratch
from toolchain import ToolchainError


def main() -> int:
    """Write what differs, and name it."""
    try:
        with scratch.server() as server:
            scratch.complete(server.url())
            made = files.made(server.url())
    except (UserError, ToolchainError, scratch.ProvisioningFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path, text in made.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(CHECKOUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

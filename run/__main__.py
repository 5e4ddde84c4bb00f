"""`python -m run ARGS…`: any Pulumi command, with the stack's local services ready. `pulumiw` ends here."""

import sys

from declared.errors import UserError
from run.engine import run


def main() -> int:
    """Run Pulumi; what stands in its way is one line."""
    try:
        return run(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""`python -m run ARGS…`: any Pulumi command, with the stack's local services ready. `pulumiw` ends here."""

import sys

from declared.errors import UserError, file_refused
from run.engine import run


def main() -> int:
    """Run Pulumi; what stands in its way is one line."""
    try:
        return run(sys.argv[1:])
    except UserError as error:
        said = str(error)
    except OSError as error:
        refused = file_refused(error)
        if refused is None:
            raise
        said = refused
    print(f"error: {said}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""`python -m generate`: write every generated file that isn't up to date."""

from declared.paths import CHECKOUT
from generate import files


def main() -> None:
    """Write what differs, and name it."""
    for path in files.write():
        print(f"{'wrote' if path.exists() else 'removed'} {path.relative_to(CHECKOUT)}")


main()

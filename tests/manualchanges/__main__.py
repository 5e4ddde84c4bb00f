"""`python -m tests.manualchanges --rounds N --seed S`: random manual changes while random work is pending.

Status 1 where one of them is swallowed.
"""

import argparse
import sys
import time

from tests.manualchanges.rounds import Round, Tally, world


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.manualchanges", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", help="the number of one round")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    tally, begin = Tally(), time.monotonic()
    with world() as made:
        made.verbose = arguments.verbose
        for number in [arguments.only] if arguments.only else range(arguments.rounds):
            right = Round(made, f"{arguments.seed}/{number}", tally).play()
            tally.rounds += 1
            if not right and not made.verbose:
                print(tally.wrong[-1], flush=True)
            if tally.rounds % 25 == 0:
                print(f"{time.monotonic() - begin:.0f} s: {tally.lines[0]}; {tally.lines[2]}", flush=True)
    print("\n".join(tally.lines))
    return 1 if tally.wrong else 0


sys.exit(main())

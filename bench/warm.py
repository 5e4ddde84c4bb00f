"""What `./vpb up` costs with nothing to do: seconds over the engine's own for as many resources that do nothing.

Both are whole commands on a copy of the checkout each, in turns. The other program declares components alone, which
have no provider.
"""

import argparse
import json
import statistics

from bench.goal import against
from harness.checkout import Finished, Scratch

GOAL = 3.0
UP = ("up", "--yes", "--skip-preview", "--non-interactive")
PROGRAM = """import pulumi

for number in range({count}):
    pulumi.ComponentResource("bench:index:Nothing", f"nothing-{{number}}")
"""


def seconds(finished: Finished) -> float:
    """Of a command that has to work."""
    if finished.status:
        raise SystemExit(f"{finished.output}\nerror: a command failed, see above")
    return finished.seconds


def rounds(number: int) -> tuple[int, list[tuple[float, float]]]:
    """How many resources there are; for each round what `up` took, and what the engine takes."""
    with Scratch("dev") as whole, Scratch("floor") as floor:
        seconds(whole.up())
        exported = json.loads(whole.pulumi("stack", "export").output)
        count = len(exported["deployment"]["resources"])
        (floor.folder / "__main__.py").write_text(PROGRAM.format(count=count))
        seconds(floor.pulumi("stack", "init"))
        seconds(floor.pulumi(*UP))
        seconds(whole.up())
        return count, [(seconds(whole.up()), seconds(floor.pulumi(*UP))) for _ in range(number)]


def main() -> None:
    """Print the medians, and whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    count, found = rounds(options.rounds)
    ups, floors = ([each[side] for each in found] for side in (0, 1))
    over = statistics.median(up - floor for up, floor in found)
    if options.json:
        print(json.dumps({"resources": count, "up": ups, "floor": floors, "over": over}))
        return
    print(f"{count} resources, median of {options.rounds} rounds")
    print(f"  {'up, nothing to do':32} {statistics.median(ups):8.2f} s")
    print(f"  {'the engine alone':32} {statistics.median(floors):8.2f} s")
    print(f"  {'up over it':32} {over:8.2f} s {against(over, GOAL)}")


if __name__ == "__main__":
    main()

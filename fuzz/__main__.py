"""`python -m fuzz`: broken input until the time is over; exit code 1 where something was found.

In: arguments.  Out: a line for each target; a folder of inputs that show a defect.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from fuzz.run import ROOT, Tally, clear, fuzz
from fuzz.targets import NAMES

sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]


def main() -> int:
    """Run the targets and print what they found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="for all targets together [default: 300]")
    parser.add_argument("--inputs", type=int, help="of each target at most")
    parser.add_argument("--target", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of the inputs; another each time if not given"
    )
    parser.add_argument("--out", type=Path, default=Path("fuzz-found"), help="folder of inputs that show a defect")
    parser.add_argument("--show", type=Path, metavar="INPUT", help="give an input of that folder to its target again")
    given = parser.parse_args()
    if given.show:
        return _show(given.show)
    clear(given.out)
    tallies = fuzz(
        given.target, seconds=given.seconds, inputs=given.inputs, seed=given.seed, out=given.out.resolve()
    )  # fmt: skip
    print(f"seed {given.seed}")
    for tally in tallies:
        _print(tally)
    found = sum(sum(tally.found.values()) for tally in tallies)
    slowest = max(tally.slowest for tally in tallies)
    largest = max(tally.largest for tally in tallies)
    total = sum(tally.inputs for tally in tallies)
    print(f"{total:,} inputs, {found:,} of them show a defect; at most {slowest:.2f} s and {largest / 1e6:.0f} MB")
    if found:
        print(f"inputs: {given.out}; python -m fuzz --show {given.out}/TARGET/1.input")
    return 1 if found else 0


def _print(tally: Tally) -> None:
    rate = tally.inputs / max(tally.seconds, 1e-9)
    print(
        f"{tally.target:14} {tally.inputs:8,} inputs, {rate:7,.0f} a second, slowest {tally.slowest:.2f} s, {tally.largest / 1e6:.0f} MB"
    )
    for signature, count in sorted(tally.found.items(), key=lambda item: -item[1]):
        print(f"    {count:6,} x {signature}")


def _show(path: Path) -> int:
    """What an input does, in this process."""
    import os
    import tempfile

    from v0_1 import lay_out

    from fuzz.targets import made

    data = path.read_bytes()
    os.chdir(lay_out(Path(tempfile.mkdtemp())))
    made(path.parent.name).reads(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())

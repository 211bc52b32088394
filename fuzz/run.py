"""Inputs until the time is over: each target in a process of its own, whose end by one input ends nothing else.

In: targets, seconds.  Out: counts, and a folder of inputs that show a defect, minimised.
Not here: what counts as a defect (verdict.py).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from fuzz.mutations import Inputs

ROOT = Path(__file__).parents[1]
#: So many seconds of computing over one input are a hang; of waiting, which other processes cause too, more.
PATIENCE, PATIENCE_WAITING = 20.0, 240.0
#: Address space that an input may add; what it may really use is less (verdict.py).
_MOST_ADDRESSES = 3 << 29
_BATCH = 200
#: hypothesis takes as long to draw as many inputs take to read.
_FROM_ONE_SEED = 20


@dataclass
class Tally:
    """What a target's inputs did."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    largest: int = 0
    found: dict[str, int] = field(default_factory=dict)


def fuzz(names: Sequence[str], *, seconds: float, inputs: int | None, seed: int, out: Path) -> list[Tally]:
    """All targets, each for its share of the time."""
    tallies = []
    end = time.monotonic() + seconds
    for i, name in enumerate(names):
        share = max(0.5, (end - time.monotonic()) / (len(names) - i))
        tally = Tally(name)
        tallies.append(tally)
        until = time.monotonic() + share
        again = empty = 0
        while empty < 2 and time.monotonic() < until and (inputs is None or tally.inputs < inputs):
            before = tally.inputs
            left = None if inputs is None else inputs - tally.inputs
            _in_a_process(name, until, left, seed + 1_000 * again, out, tally)
            empty = empty + 1 if tally.inputs == before else 0
            again += 1
            print(f"{name}: {tally.inputs:,} inputs, {sum(tally.found.values())} found", file=sys.stderr, flush=True)
    return tallies


def _in_a_process(name: str, until: float, inputs: int | None, seed: int, out: Path, tally: Tally) -> None:
    """One process; an input that ends it, or makes it hang, is a finding."""
    with tempfile.TemporaryDirectory() as folder:
        current = Path(folder) / "input"
        paths = os.pathsep.join((str(ROOT), str(ROOT / "src"), str(ROOT / "tests" / "support")))
        quiet = {
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "LIFTUNE_CACHE": folder,
        }
        # Arrow's own allocator reserves more addresses than the limit leaves.
        quiet |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONPATH": paths, "HOME": folder}
        wanted = {"target": name, "seconds": until - time.monotonic(), "inputs": inputs, "seed": seed, "out": str(out)}
        given = json.dumps({**wanted, "known": list(tally.found), "current": str(current)})
        # Files, as a pipe that nobody reads fills up.
        told, errors = Path(folder) / "told", Path(folder) / "errors"
        with told.open("wb") as stdout, errors.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "fuzz.run", given],
                cwd=folder,
                env={**os.environ, **quiet},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
            _watch(process, current)
        for line in told.read_text().splitlines():
            if line.startswith('{"target"'):
                _add(tally, json.loads(line))
        if process.returncode != 0:
            _ended(process.returncode, errors.read_text(errors="replace"), current, out, tally)


def _watch(process: subprocess.Popen[bytes], current: Path) -> None:
    """Wait for its end; end it where it hangs over one input. Until the first one it imports and prepares."""
    stamp, beaten, computed = -1, time.monotonic(), 0.0
    while process.poll() is None:
        time.sleep(0.05)
        now = current.stat().st_mtime_ns if current.exists() else -1
        if now != stamp:
            stamp, beaten, computed = now, time.monotonic(), _computed(process.pid)
        most = 1 if stamp >= 0 else 6
        computing, waiting = _computed(process.pid) - computed, time.monotonic() - beaten
        if computing > most * PATIENCE or waiting > most * PATIENCE_WAITING:
            process.kill()
            process.wait()


def _computed(pid: int) -> float:
    """Seconds that a process has computed, all its threads together."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _add(tally: Tally, told: dict[str, Any]) -> None:
    tally.inputs += told["inputs"]
    tally.seconds += told["seconds"]
    tally.slowest = max(tally.slowest, told["slowest"])
    tally.largest = max(tally.largest, told["largest"])
    for signature, count in told["found"].items():
        tally.found[signature] = tally.found.get(signature, 0) + count


def _ended(code: int, errors: str, current: Path, out: Path, tally: Tally) -> None:
    what = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    last = (errors.strip().splitlines() or [""])[-1][:120]
    signature = f"{what}: {last}"
    tally.found[signature] = tally.found.get(signature, 0) + 1
    keep(out, tally.target, signature, current.read_bytes() if current.exists() else b"", errors[-6_000:])


def keep(out: Path, target: str, signature: str, data: bytes, text: str) -> Path:
    """Write an input that shows a defect, and what it showed."""
    folder = out / target
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("*.input"))) + 1
    (folder / f"{number}.input").write_bytes(data)
    (folder / f"{number}.txt").write_text(f"{signature}\n\n{text}", encoding="utf-8", errors="replace")
    return folder / f"{number}.input"


# In the process ------------------------------------------------------------------------------------------------------


def main(given: str) -> None:
    """Give one target inputs, in a working folder with files to read."""
    asked = json.loads(given)
    from v0_1 import lay_out

    from fuzz.targets import made

    os.chdir(lay_out(Path.cwd()))
    target = made(asked["target"])
    target.warm()
    _limit_addresses()
    tally = Tally(asked["target"])
    try:
        for data in inputs_of(target, asked["seed"], asked["seconds"], asked["inputs"]):
            _give(target, data, tally, asked)
    finally:
        print(json.dumps(asdict(tally)), flush=True)


def inputs_of(target: Any, seed: int, seconds: float, most: int | None) -> Iterator[bytes]:
    """Inputs of hypothesis, a batch at a time, until the time is over."""
    end, given = time.monotonic() + seconds, 0
    while time.monotonic() < end and (most is None or given < most):
        for data in drawn(target.inputs, seed, _BATCH if most is None else min(_BATCH, most - given)):
            if time.monotonic() > end:
                return
            given += 1
            yield data
        seed += 1


def drawn(inputs: Inputs, seed: int, count: int) -> list[bytes]:
    """So many inputs; the same ones for the same seed."""
    import hypothesis
    from hypothesis import HealthCheck, Phase
    from hypothesis import strategies as st

    batch: list[bytes] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=-(-count // _FROM_ONE_SEED),
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(st.randoms(use_true_random=True))
    def collect(random: Random) -> None:
        batch.extend(inputs(random) for _ in range(_FROM_ONE_SEED))

    collect()
    return batch[:count]


def _give(target: Any, data: bytes, tally: Tally, asked: dict[str, Any]) -> None:
    from fuzz.minimise import minimised
    from fuzz.verdict import judge

    Path(asked["current"]).write_bytes(data)
    outcome = judge(target.reads, data)
    tally.inputs += 1
    tally.seconds += outcome.seconds
    tally.slowest = max(tally.slowest, outcome.seconds)
    tally.largest = max(tally.largest, outcome.bytes)
    finding = outcome.finding
    if finding is None:
        return
    signature = finding.signature
    seen = signature in tally.found or signature in asked["known"]
    tally.found[signature] = tally.found.get(signature, 0) + 1
    if seen:
        return

    def still_fails(shorter: bytes) -> bool:
        Path(asked["current"]).write_bytes(shorter)  # tells that it does not hang
        again = judge(target.reads, shorter).finding
        return again is not None and again.signature == signature

    small = minimised(data, still_fails, seconds=5.0 if outcome.seconds < 1 else 20.0)
    shown = judge(target.reads, small).finding or finding
    keep(Path(asked["out"]), tally.target, signature, small, shown.text)


def _limit_addresses() -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    with open(os.devnull) as _:
        resource.setrlimit(resource.RLIMIT_AS, (taken + _MOST_ADDRESSES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def clear(out: Path) -> None:
    """Forget earlier findings."""
    shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])

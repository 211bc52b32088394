"""Kill a run at random moments, give the same command again, and compare every file with an undisturbed run's.

    python tests/support/killing.py PLACE KILLS [OPTION=VALUE ...]

In: a folder to work in, how many kills, options of `tune`.  Out: a line of JSON for each kill: when, in which stage,
and which files differ.  Not here: what is asserted (faults/test_kill.py).

Each run is a fork of this process, which has imported torch and computed nothing: it starts at once. The undisturbed
run is a process of its own, whose order of sets differs.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

#: What a run imports as it goes, and each fork would import anew.
IMPORTED = (
    "liftune.workflows.tune_stages",
    *("accelerate", "peft", "transformers.models.distilbert.modeling_distilbert", "transformers.loss.loss_utils"),
    *("scipy.stats", "scipy.optimize", "sklearn.feature_extraction.text", "sklearn.metrics", "sklearn.linear_model"),
    *("jinja2", "matplotlib.figure", "matplotlib.backends.backend_svg", "matplotlib.pyplot"),
)
#: Rendered from the record, with times in them.
RENDERED = {"README.md", "report.html"}


def options_of(arguments: list[str]) -> dict[str, Any]:
    pairs = (each.split("=", 1) for each in arguments)
    return {name: json.loads(value) for name, value in pairs}


def run(options: dict[str, Any], out: Path, stages: Path) -> None:
    """One run in this process; the stage that it is in stands in a file."""
    import liftune

    class Told(liftune.Listener):
        def on_stage(self, event: Any) -> None:
            stages.write_text(event.stage)

    liftune.tune(out=out, checkpoint_minutes=0, listeners=[Told()], **options)


def fork(options: dict[str, Any], out: Path, stages: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        run(options, out, stages)
        os._exit(0)
    except BaseException as error:
        print(repr(error), *getattr(error, "__notes__", ()), file=sys.stderr, flush=True)
        os._exit(1)


def files_of(folder: Path) -> dict[str, Any]:
    """Path -> contents; of the record what is comparable."""
    from liftune.records.comparable import comparable

    found: dict[str, Any] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        contents: Any = path.read_bytes()
        if path.name in RENDERED:
            contents = b""
        if name == "record.json":
            contents = comparable(json.loads(contents))
        if name == "spec.json":
            contents = {**json.loads(contents), "out": None}
        found[name] = contents
    return found


def differences(expected: dict[str, Any], got: dict[str, Any]) -> list[str]:
    return sorted(name for name in {*expected, *got} if expected.get(name) != got.get(name))


def killed(options: dict[str, Any], out: Path, stages: Path, draw: random.Random, longest: float) -> float:
    """Begin a run and kill it, and begin again where it had ended by then; when it was killed, in seconds."""
    while True:
        stages.write_text("start")
        child = fork(options, out, stages)
        moment = draw.uniform(0, longest)
        time.sleep(moment)
        if os.waitpid(child, os.WNOHANG)[0] == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return moment
        shutil.rmtree(out)


def main(place: Path, kills: int, options: dict[str, Any], seed: int) -> None:
    for module in IMPORTED:
        importlib.import_module(module)
    undisturbed, stages = place / "undisturbed", place / "stage"
    command = [sys.executable, __file__, str(place), "0", *(f"{k}={json.dumps(v)}" for k, v in options.items())]
    if not undisturbed.exists():
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "1"})
    expected = files_of(undisturbed)
    draw = random.Random(seed)
    started = time.monotonic()
    assert os.waitpid(fork(options, place / "timed", stages), 0)[1] == 0
    longest = time.monotonic() - started
    print(json.dumps({"undisturbed": longest, "differ": differences(expected, files_of(place / "timed"))}), flush=True)
    for number in range(kills):
        out = place / f"run-{number}"
        moment = killed(options, out, stages, draw, longest)
        stage = stages.read_text()
        kept = sorted(each.relative_to(out).as_posix() for each in out.rglob("*") if each.is_file())
        ended = os.waitpid(fork(options, out, stages), 0)[1]
        differ = differences(expected, files_of(out)) if ended == 0 else ["it did not end"]
        line = {"kill": number, "seconds": round(moment, 2), "stage": stage, "kept": len(kept), "differ": differ}
        print(json.dumps(line), flush=True)
        if not differ:
            shutil.rmtree(out)


if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    chosen = options_of(sys.argv[3:])
    if count:
        main(folder, count, chosen, seed=int(os.environ.get("KILL_SEED", "0")))
    else:
        run(chosen, folder / "undisturbed", folder / "stage")

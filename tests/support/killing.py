"""Kill a command at random moments, give it again, and compare every file with those of an undisturbed one.

    python tests/support/killing.py COMMAND PLACE time|change KILLS [OPTION=VALUE ...]

In: a name of COMMANDS, a folder to work in, whether to kill at moments of its life or at changes of the disk, how many
kills, options of the command.  Out: a line of JSON for each kill: when, in which stage, what opening the half-made
output gave, which files differ in the end.
Not here: what is asserted (faults/test_kill.py).

Each command is a fork of this process, which has imported torch and computed nothing: it starts at once. The
undisturbed one is a process of its own, whose order of sets differs.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from liftune.replacing import FOR_READERS

#: What a command imports as it goes, and each fork would import anew.
IMPORTED = (
    *(
        "liftune.workflows.tune_stages",
        "liftune.exports.run",
        "liftune.workflows.predict",
        "liftune.bulk.run",
        "liftune.workflows.inspect",
    ),
    *("accelerate", "peft", "transformers.models.distilbert.modeling_distilbert", "transformers.loss.loss_utils"),
    *("scipy.stats", "scipy.optimize", "sklearn.feature_extraction.text", "sklearn.metrics", "sklearn.linear_model"),
    *("jinja2", "matplotlib.figure", "matplotlib.backends.backend_svg", "matplotlib.pyplot"),
    *("liftune.sweeps.run", "liftune.exports.onnx_graph", "onnxruntime", "torch.onnx", "pyarrow.parquet"),
)
#: Rendered from the record, with times in them.
RENDERED = {"README.md", "report.html"}
#: Written after the record: without them a run is whole, and the same command writes them.
AFTERWARDS = set(FOR_READERS)
#: Records, whose times differ: of a run, a sweep, a model's baselines, a cell.
TIMED = re.compile(r"(record|sweep|baselines|.+-\d+)\.json")
Options = Mapping[str, Any]


def run(options: Options, out: Path, stages: Path) -> None:
    """`tune` in this process; the stage that it is in stands in a file."""
    import liftune

    class Told(liftune.Listener):
        def on_stage(self, event: Any) -> None:
            stages.write_text(event.stage)

    liftune.tune(out=out, checkpoint_minutes=0, listeners=[Told()], **options)


def _sweep(options: Options, out: Path, stages: Path) -> None:
    import liftune

    liftune.sweep(out=out, **options)


def _export(options: Options, out: Path, stages: Path) -> None:
    from liftune.exports.run import export

    export(to=out / "exported", accept_gap=True, **options)


def _predict(options: Options, out: Path, stages: Path) -> None:
    from liftune.inference import files
    from liftune.progress import Progress
    from liftune.workflows.predict import PredictOptions, predict

    files.CHUNK = 64  # or a file of thousands of rows would have one block
    named = dict(options)
    list(predict(PredictOptions(out=str(out / named.pop("to")), **named), Progress(quiet=True)))


def _predict_folder(options: Options, out: Path, stages: Path) -> None:
    from liftune.bulk import run
    from liftune.inference import files
    from liftune.progress import Progress
    from liftune.workflows.predict import PredictOptions

    files.CHUNK = run.CHUNK = 64
    named = dict(options)
    run.predict_folder(PredictOptions(out=str(out / named.pop("to")), **named), Progress(quiet=True))


def _inspect(options: Options, out: Path, stages: Path) -> None:
    import liftune

    named = dict(options)
    liftune.inspect(out=out / named.pop("to"), model=None, **named)


def _load(out: Path) -> None:
    import liftune

    liftune.load(out).predict(["sunny laugh"])


def _read_rows(out: Path) -> None:
    from liftune.data import load_data
    from liftune.spec import DataSpec

    load_data(DataSpec(source=str(out)))


def _read_answers(out: Path) -> None:
    """Files of a folder that are there are whole; it says itself that others are not."""
    from liftune import LiftuneError
    from liftune.data.readers.formats import read_file

    for path in out.rglob("*.csv"):
        read_file(path)
    if (out / ".liftune" / "work").exists() or not (out / ".liftune" / "done").exists():
        raise LiftuneError("not complete")


def _read_sweep(out: Path) -> None:
    from liftune.records.reading import read_record
    from liftune.records.sweep import SweepRecord

    read_record(out / "sweep.json", SweepRecord, "sweep")


@dataclass(frozen=True)
class Command:
    """What is killed."""

    run: Callable[[Options, Path, Path], None]
    """Given its options, a folder for what it writes, a file to say its stage in."""
    open: Callable[[Path], object]
    """Use what it wrote; a LiftuneError says that there is none, or that it is not whole."""
    writes: str = ""
    """The name of what it writes in the folder; "to" takes the option of that name."""
    once: bool = False
    """Whether it refuses a place where such a thing lies already."""
    again: tuple[Mapping[str, Any], ...] = field(default=({},))
    """More options after a kill, in turn."""

    def place(self, options: Options, out: Path) -> Path:
        """What it writes."""
        return out / str(options.get(self.writes, self.writes))


COMMANDS = {
    "tune": Command(run, _load),
    "sweep": Command(_sweep, _read_sweep),
    "export": Command(_export, _load, "exported", once=True),
    "predict": Command(_predict, lambda path: path.read_bytes(), "to", again=({"resume": True}, {})),
    "predict_folder": Command(_predict_folder, _read_answers, "to"),
    "inspect": Command(_inspect, _read_rows, "to", once=True),
}


def options_of(arguments: list[str]) -> dict[str, Any]:
    pairs = (each.split("=", 1) for each in arguments)
    return {name: json.loads(value) for name, value in pairs}


def fork(work: Callable[[], object]) -> int:
    """A process that does it; exit code 2 for a LiftuneError, 1 for anything else."""
    child = os.fork()
    if child:
        return child
    from liftune import LiftuneError

    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(repr(error), *getattr(error, "__notes__", ()), file=sys.stderr, flush=True)
        os._exit(2 if isinstance(error, LiftuneError) else 1)


def ended(child: int) -> int:
    """The exit code of a process."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def files_of(folder: Path) -> dict[str, Any]:
    """Path -> contents; of records what is comparable."""
    from liftune.records.comparable import comparable

    found: dict[str, Any] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        contents: Any = path.read_bytes()
        if path.name in RENDERED or ".liftune" in path.parts:  # notes of a folder of predictions, with times in them
            contents = b""
        elif TIMED.fullmatch(path.name):
            contents = comparable(json.loads(contents))
        elif path.name == "spec.json":
            contents = {**json.loads(contents), "out": None}
        found[name] = contents
    return found


def differences(expected: dict[str, Any], got: dict[str, Any]) -> list[str]:
    return sorted(name for name in {*expected, *got} if expected.get(name) != got.get(name))


#: What changes the disk, as `sys.addaudithook` calls it; `open` where it is for writing.
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "open"}


def dies(work: Callable[[], object], out: Path, count: Path, last: int = 0) -> None:
    """Do the work, and die right before a change of what lies in a folder; 0: at none, and `count` says how many."""
    seen = 0

    def hook(event: str, arguments: Any) -> None:
        nonlocal seen
        if event not in CHANGES or not isinstance(arguments[0], str | os.PathLike):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if os.path.abspath(os.fspath(arguments[0])).startswith(str(out)):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    work()
    if not last:
        count.write_text(str(seen))


def killed(work: Callable[[], object], out: Path, stages: Path, draw: random.Random, longest: float) -> float:
    """Begin and kill it, and begin again where it had ended by then; when it was killed, in seconds."""
    while True:
        stages.write_text("start")
        child = fork(work)
        moment = draw.uniform(0, longest)
        time.sleep(moment)
        if os.waitpid(child, os.WNOHANG)[0] == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return moment
        shutil.rmtree(out)


def opened(command: Command, options: Options, out: Path, expected: dict[str, Any]) -> str:
    """What use of the output gives after a kill: absent, refused, whole; anything else is a defect."""
    place = command.place(options, out)
    if not place.exists():
        return "absent"
    code = ended(fork(partial(command.open, place)))
    if code == 2:
        return "refused"
    prefix = place.relative_to(out).as_posix()
    parts = [name for name in expected if prefix in (".", name) or name.startswith(f"{prefix}/")]
    needed = [name for name in parts if Path(name).name not in AFTERWARDS]
    lacking = [name for name in needed if files_of(out).get(name) != expected[name]]
    return "whole" if code == 0 and not lacking else f"exit code {code}, but {', '.join(lacking) or 'nothing'} lacks"


def moments(count: int, kills: int, draw: random.Random) -> list[int]:
    """Changes to die at: all of them, or a draw with the last few, where what was written takes its name."""
    every = range(1, count + 1)
    if kills >= count:
        return list(every)
    last = min(kills // 2, 6)
    return sorted({*every[count - last :], *draw.sample(every[: count - last], kills - last)})


def main(command: Command, place: Path, at: str, kills: int, options: dict[str, Any], seed: int) -> None:
    for module in IMPORTED:
        importlib.import_module(module)
    undisturbed, stages = place / "undisturbed", place / "stage"
    given = [f"{name}={json.dumps(value)}" for name, value in options.items()]
    name = next(each for each, known in COMMANDS.items() if known is command)
    if not undisturbed.exists():
        environment = {**os.environ, "PYTHONHASHSEED": "1"}
        subprocess.run([sys.executable, __file__, name, str(place), at, "0", *given], check=True, env=environment)
    expected = files_of(undisturbed)
    draw = random.Random(seed)
    started = time.monotonic()
    work = partial(command.run, options, place / "timed", stages)
    assert ended(fork(partial(dies, work, place / "timed", place / "changes") if at == "change" else work)) == 0
    longest = time.monotonic() - started
    print(json.dumps({"undisturbed": longest, "differ": differences(expected, files_of(place / "timed"))}), flush=True)
    changes = moments(int((place / "changes").read_text()), kills, draw) if at == "change" else []
    for number in range(len(changes) if changes else kills):
        out = place / f"run-{number}"
        work = partial(command.run, options, out, stages)
        if changes:
            moment = changes[number]
            stages.write_text("start")
            assert ended(fork(partial(dies, work, out, place / "changes", changes[number]))) == -signal.SIGKILL
        else:
            moment = killed(work, out, stages, draw, longest)
        kept = sum(each.is_file() for each in out.rglob("*"))
        line = {"kill": number, at: round(moment, 2), "stage": stages.read_text(), "kept": kept}
        line["opened"] = opened(command, options, out, expected)
        again = {**options, **command.again[number % len(command.again)]}
        code = ended(fork(partial(command.run, again, out, stages)))
        line["differ"] = differences(expected, files_of(out)) if code == 0 else [f"it ended with exit code {code}"]
        if code == 2 and line["opened"] == "whole":  # what is there is whole, and is not written over
            line["differ"] = [] if command.once else differences(expected, files_of(out))
        print(json.dumps(line), flush=True)
        if not line["differ"]:
            shutil.rmtree(out)


if __name__ == "__main__":
    what, folder, kind, number_of_kills = COMMANDS[sys.argv[1]], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    chosen = options_of(sys.argv[5:])
    if number_of_kills:
        main(what, folder, kind, number_of_kills, chosen, seed=int(os.environ.get("KILL_SEED", "0")))
    else:
        what.run(chosen, folder / "undisturbed", folder / "stage")

"""What liftune itself wrote: runs, adapters, bundles, sweeps, base models, specs, interrupted predictions.

In: mutated files of tests/fixtures.  Out: targets that open them, and use what they opened.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from fuzz.data_targets import Fake
from fuzz.mutations import Inputs, broken_bytes, broken_json, one_of
from fuzz.target import Target, each, target
from liftune.inference.files import predict_file
from liftune.inference.opening import load_predictor
from liftune.models.backbone import load_backbone
from liftune.progress import Progress
from liftune.reports.document import sections
from liftune.reports.render.text import print_sections
from liftune.run_folder import RunFolder
from liftune.spec import ModelSpec, RunSpec
from liftune.spec_text import command_line
from liftune.sweeps.folder import SweepFolder
from liftune.sweeps.grid import Cell, SweepSpec
from liftune.tasks import TaskKind
from liftune.workflows.compare import compare_runs
from liftune.workflows.report import FORMATS, read_run

#: Drawing a report takes ten times as long as showing and comparing what it says.
_RARELY = 8
_TEXTS = ["a b", "", "one more text than that", "\u202e\x1b[31m", "word " * 500]


def _file_of(folder: str, names: Sequence[str], use: Callable[[Path], None]) -> Target:
    """A folder of which one file is broken: the input is the file's place in `names`, a colon, and its bytes."""
    original = Path(folder)
    work = Path(f"{folder}-broken")
    shutil.copytree(original, work, dirs_exist_ok=True)
    kinds: list[Inputs] = []
    for i, name in enumerate(names):
        broken = broken_json if name.endswith(("json", "jsonl")) else broken_bytes
        kinds.append(_numbered(i, broken([(original / name).read_bytes()])))

    def read(data: bytes) -> None:
        which, _, content = data.partition(b":")
        name = names[int(which) if which.isdigit() and int(which) < len(names) else 0]
        (work / name).write_bytes(content)
        try:
            use(work)
        finally:
            shutil.copyfile(original / name, work / name)

    return Target(folder, one_of(*kinds), read, b"0:" + (original / names[0]).read_bytes())


def _numbered(number: int, inputs: Inputs) -> Inputs:
    return lambda random: b"%d:" % number + inputs(random)


def _report(run: Path) -> None:
    folder = RunFolder.open(str(run))
    drawn = zlib.crc32((run / "record.json").read_bytes()) % _RARELY == 0

    def shown() -> None:
        read = read_run(folder)
        print_sections(sections(*read), Console(file=io.StringIO(), width=100))
        for write in FORMATS.values() if drawn else ():
            write(*read)

    each(shown, partial(compare_runs, str(run), "run"), partial(compare_runs, "run", str(run)))


def _answer(path: Path) -> None:
    load_predictor(path).predict(_TEXTS)


@target("record")
def records() -> Target:
    """The files of a run, shown and compared."""
    names = ["record.json", "record.json", "spec.json", "rows/test.jsonl", "logits/tuned.npz", "logits/base.npz"]
    return _file_of("run", names, _report)


@target("record_multi")
def records_of_sets() -> Target:
    """The same of a task with several labels a row."""
    return _file_of("run_multi", ["record.json", "rows/test.jsonl", "logits/tuned.npz"], _report)


@target("adapter")
def adapters() -> Target:
    """The files of an adapter, loaded and asked."""
    names = ["liftune.json", "liftune.json", "adapter_config.json", "adapter_config.json", "adapter_model.safetensors"]
    return _file_of("run", [f"adapter/{name}" for name in names], lambda path: _answer(path / "adapter"))


@target("base")
def bases() -> Target:
    """The files of a pretrained model."""

    def load(path: Path) -> None:
        load_backbone(ModelSpec(name=str(path)), task=TaskKind.SINGLE_LABEL, labels=["a", "b"], seed=0)

    return _file_of("base", ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"], load)


@target("bundle")
def bundles() -> Target:
    """The files of a bundle, whose card then names the hash of what was broken: somebody may have made it so."""

    def answer(path: Path) -> None:
        card = path / "bundle.json"
        original = card.read_bytes()
        try:
            values = json.loads(original)
            for name in values["files"]:
                values["files"][name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
            card.write_text(json.dumps(values))
        except (ValueError, KeyError, TypeError, OSError, RecursionError):
            pass
        _answer(path)

    return _file_of("bundle", ["bundle.json", "tokenizer.json", "model.onnx"], answer)


@target("sweep")
def sweeps() -> Target:
    """The files of a sweep that goes on."""

    def opened(path: Path) -> None:
        spec = SweepSpec.checked(json.loads(Path("sweep/spec.json").read_bytes()))
        folder = SweepFolder.create(spec.model_copy(update={"run": spec.run.model_copy(update={"out": str(path)})}))
        each(partial(folder.baselines, "base"), partial(folder.cell, Cell("base", "lora", 0)))

    return _file_of("sweep", ["spec.json", "base/rungs.json", "base/lora-0.json"], opened)


@target("spec")
def specs() -> Target:
    """Files of options."""
    samples = [Path("spec.json").read_bytes(), Path("run/spec.json").read_bytes(), Path("sweep/spec.json").read_bytes()]

    def read(data: bytes) -> None:
        Path("given.json").write_bytes(data)
        Path("given.toml").write_bytes(data)
        each(lambda: command_line(RunSpec.read("given.json")), lambda: command_line(RunSpec.read("given.toml")))

    return Target("spec", one_of(broken_json(samples), broken_bytes(samples)), read)


@target("part")
def interrupted() -> Target:
    """What an interrupted prediction left."""
    out = Path("answers.csv")
    part, state = out.with_name("answers.csv.part"), out.with_name("answers.csv.part.json")
    source = Path("long.csv")
    source.write_text("text\n" + "a\n" * 3_000)

    class Stopping(Fake):
        def predict(self, rows: Sequence[object]) -> list:  # type: ignore[type-arg]
            if len(rows) < 2_000:
                raise KeyboardInterrupt
            return super().predict(rows)  # type: ignore[arg-type]

    quiet = Progress(quiet=True)
    try:
        predict_file(Stopping(), str(source), str(out), progress=quiet)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        kept = part.read_bytes(), state.read_bytes()

    def read(data: bytes) -> None:
        which, _, content = data.partition(b":")
        part.write_bytes(content if which == b"1" else kept[0])
        state.write_bytes(kept[1] if which == b"1" else content)
        predict_file(Fake(), str(source), str(out), resume=True, progress=quiet)  # type: ignore[arg-type]

    inputs = one_of(_numbered(0, broken_json([kept[1]])), _numbered(1, broken_bytes([kept[0][:3_000]])))
    return Target("part", inputs, read)

"""Predict: a file of rows in, a file of answers out, by liftune and by a transformers pipeline, in turn.

Every contender is a process of its own that has loaded its model, and waits until it is its turn; a turn reads the
file, tokenises, answers and writes.
In: a run, a file of texts.  Out: a table, a JSON file.
Not here: other numbers of the same model (`liftune export` prints how far a bundle is from its run).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import show
from benchmarks.summary import Spread

ROOT = Path(__file__).parents[1]
OPPONENT = "pipeline"
#: Name -> what it is.
CONTENDERS = {
    OPPONENT: "transformers.pipeline, batch_size=32, the adapter unmerged, float32",
    "float32": "liftune predict RUN --use tuned",
    "fastest": "liftune predict RUN --use tuned --precision fastest",
    "onnx": "liftune predict BUNDLE, --format onnx",
    "onnx-int8": "liftune predict BUNDLE, --format onnx-int8",
}
WARM_UP = 64

Turn = Callable[[Path, Path], None]
"""Answers a JSON-lines file of texts into another."""


def run(arguments: argparse.Namespace) -> int:
    """Time every contender in turn."""
    from liftune.data.readers.formats import open_stream

    if not arguments.run:
        raise SystemExit("benchmarks: name a run with --run (any folder that `liftune tune` wrote)")
    stream = open_stream(arguments.data or Path(arguments.run) / "rows" / "test.jsonl")
    column = arguments.text or next(name for name in ("text", "sentence", stream.columns[0]) if name in stream.columns)
    texts = [str(line.cells[column]) for block in stream.blocks(4_096) for line in block if not line.fault]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        paths, notes = bundles(arguments, folder)
        rounds, labels = measured(arguments, texts[: arguments.rows], paths, folder)
    report(arguments, rounds, labels, notes)
    return 0


def bundles(arguments: argparse.Namespace, folder: Path) -> tuple[dict[str, str], list[str]]:
    """The bundles that were given, or exports of the run, with what their gate said."""
    from liftune.exports.run import export

    places, notes = {}, []
    for name, given in (("onnx", arguments.onnx), ("onnx-int8", arguments.int8)):
        if name not in arguments.contenders:
            continue
        places[name] = given or str(folder / name)
        if not given:
            parity = export(arguments.run, places[name], format=name, use="tuned", accept_gap=True)
            notes += [line.strip() for line in parity.lines()] + [
                f"beyond the gate: {each}" for each in parity.excesses
            ]
    return places, notes


def measured(
    arguments: argparse.Namespace, texts: Sequence[str], paths: dict[str, str], folder: Path
) -> tuple[list[dict[str, dict[str, float]]], dict[str, list[str]]]:
    """Seconds of each contender in each round, and the labels that each gave in the first."""
    workers = {}
    for name in arguments.contenders:
        command = [sys.executable, "-m", "benchmarks.predict", name, paths.get(name, arguments.run)]
        workers[name] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, bufsize=1
        )
    try:
        for name, worker in workers.items():
            ask(worker, texts[:WARM_UP], folder, name)
        rounds: list[dict[str, dict[str, float]]] = []
        labels: dict[str, list[str]] = {}
        for number in range(arguments.repeats):
            # Another order each round, as a tokenizer's memory may not help: the work is the same.
            turned = [*texts[number:], *texts[:number]]
            turns = {}
            for name, worker in workers.items():
                turns[name], given = ask(worker, turned, folder, name)
                labels.setdefault(name, given)
                show.say(f"round {number + 1}: {name} {len(texts) / turns[name]['wall']:,.0f} rows/s")
            rounds.append(turns)
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    return rounds, labels


def ask(worker: Any, texts: Sequence[str], folder: Path, name: str) -> tuple[dict[str, float], list[str]]:
    """One turn."""
    source, out = folder / f"{name}.in.jsonl", folder / f"{name}.out.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    worker.stdin.write(json.dumps([str(source), str(out)]) + "\n")
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"benchmarks: {name} failed")
    labels = [json.loads(each)["label"] for each in out.read_text(encoding="utf-8").splitlines()]
    assert len(labels) == len(texts)
    return json.loads(line), labels


def report(
    arguments: argparse.Namespace,
    rounds: Sequence[dict[str, dict[str, float]]],
    labels: dict[str, list[str]],
    notes: Sequence[str],
) -> None:
    """The table and the file."""
    rows = []
    results: dict[str, dict[str, object]] = {}
    reference = labels.get("float32") or labels[OPPONENT]
    for name in arguments.contenders:
        speed = Spread.of([len(reference) / each[name]["wall"] for each in rounds])
        wall = Spread.of([each[OPPONENT]["wall"] / each[name]["wall"] for each in rounds])
        processor = Spread.of([each[OPPONENT]["processor"] / each[name]["processor"] for each in rounds])
        flips = sum(one != other for one, other in zip(labels[name], reference, strict=True))
        results[name] = {"rows_per_second": vars(speed), "times": vars(wall), "processor_times": vars(processor)}
        results[name]["flipped"] = flips
        shown = [f"{each.median:,.1f} [{each.low:,.1f}, {each.high:,.1f}]" for each in (speed, wall, processor)]
        rows.append((name, *shown, f"{flips} ({flips / len(reference):.2%})"))
    lines = [f"{name}: {CONTENDERS[name]}" for name in arguments.contenders]
    lines.append("medians and ranges over rounds; times are within a round; CPU time counts work, not waiting")
    columns = ("contender", "rows/s", f"times {OPPONENT}", "of CPU time", "labels unlike float32")
    show.table(f"Predict, {len(reference):,} rows, {arguments.repeats} rounds", columns, rows, [*lines, *notes])
    show.write_json(
        Path(arguments.out) / "predict.json",
        "predict",
        vars(arguments),
        {"contenders": results, "rounds": list(rounds), "notes": list(notes)},
    )


def pipeline(run: str) -> Turn:
    """What a model card shows: transformers.pipeline around the PEFT model as it was saved."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers import pipeline as make

    from liftune.inference.locate import locate_model
    from liftune.models.adapter_io import read_card
    from liftune.models.checkpoint import locate

    folder = locate_model(run, use="tuned").folder  # whatever the run recommends
    card = read_card(folder)
    base = locate(card.base).source
    names = dict(enumerate(card.labels))
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(names), id2label=names, ignore_mismatched_sizes=True, dtype=torch.float32
    )
    tuned: Any = PeftModel.from_pretrained(model, folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    classify = make("text-classification", model=tuned, tokenizer=tokenizer, batch_size=32)

    def turn(source: Path, out: Path) -> None:
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
        answers = classify([row["text"] for row in rows], truncation=True, max_length=card.max_length)
        with out.open("w", encoding="utf-8") as file:
            for row, answer in zip(rows, answers, strict=True):
                file.write(json.dumps({**row, **answer}) + "\n")

    return turn


def ours(path: str, precision: str | None) -> Turn:
    """What `liftune predict --in --out` does."""
    from liftune.inference.files import predict_file
    from liftune.inference.opening import load_predictor
    from liftune.progress import Progress

    is_run = (Path(path) / "record.json").is_file()  # of a bundle there is nothing to choose
    predictor = load_predictor(path, use="tuned" if is_run else None, precision=precision)

    def turn(source: Path, out: Path) -> None:
        predict_file(predictor, str(source), str(out), progress=Progress(quiet=True))

    return turn


def serve(name: str, path: str) -> None:
    """Wait for turns on stdin, a JSON list of two paths each; say the seconds of each on stdout."""
    said = sys.stdout
    sys.stdout = sys.stderr  # libraries that print may not be taken for an answer
    turn = pipeline(path) if name == OPPONENT else ours(path, name if name == "fastest" else None)
    for line in sys.stdin:
        source, out = (Path(each) for each in json.loads(line))
        wall, processor = time.perf_counter(), time.process_time()
        turn(source, out)
        seconds = {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
        print(json.dumps(seconds), file=said, flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])

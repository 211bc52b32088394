"""Long: messages far behind the beginning of long neutral texts, read by each rule of `--long`.

Every message stands behind at least 600 tokens of carrier texts, which are drawn without regard to the label. With
--two each text has two messages of one label, 600 tokens apart. Labels are balanced: one half is guessed right.
In: messages with labels, carrier texts.  Out: one table, long.json; with --doors how far each door's answers are apart.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import show

#: Tokens before the first message, and between two.
BEFORE = 600
PARTS = ("train", "validation", "test")
#: Name -> options of `liftune tune`; `alone` reads the messages without carriers.
RUNS: dict[str, dict[str, str]] = {
    "alone": {"long": "cut"},
    "cut": {"long": "cut"},
    "head-tail": {"long": "head-tail"},
    "windows": {"long": "windows"},
    "windows-max": {"long": "windows", "window_pooling": "max"},
    "auto": {"long": "auto"},
}

Rows = list[tuple[str, str]]


def run(arguments: argparse.Namespace) -> int:
    """Write the data, tune by each rule, print, compare doors."""
    import liftune

    out = Path(arguments.out) / ("long-two" if arguments.two else "long")
    messages = balanced(read(arguments.messages), arguments.rows, random.Random(0))
    write(out / "alone", messages)
    write(out / "hidden", hidden(messages, [text for text, _ in read(arguments.carriers)], two=arguments.two))
    results = {}
    for name in arguments.runs:
        data = out / ("alone" if name == "alone" else "hidden")
        more = {key: json.loads(value) for key, value in (each.split("=") for each in arguments.set)}
        options: dict[str, Any] = {**RUNS[name], "epochs": arguments.epochs, "max_length": arguments.length, **more}
        record = liftune.tune(
            str(data), model=arguments.model, out=str(out / "runs" / name), overwrite=True, quiet=True, **options
        )
        results[name] = record
        show.say(f"  {name}: {scores_of(record)}")
    table = [(name, each.long, *scores_of(each), show.number(each.seconds)) for name, each in results.items()]
    columns = ("run", "reads by", "tuned", "probe", "seconds")
    show.table(f"Messages behind {BEFORE} tokens{', twice' if arguments.two else ''}", columns, table)
    doors = doors_of(Path(results["windows"].run), out / "hidden" / "test.jsonl") if arguments.doors else {}
    if doors:
        rows = [(name, *(f"{value:.2g}" for value in each)) for name, each in doors.items()]
        show.table("Doors, against Python", ("door", "largest gap of a probability", "other labels"), rows)
    facts = {
        name: {"rule": each.long, "scores": scores_of(each), "notes": each.notes} for name, each in results.items()
    }
    show.write_json(out / "long.json", "long", vars(arguments), {"runs": facts, "doors": doors})
    return 0


def scores_of(record: Any) -> list[str]:
    """Accuracy of the tuned model and of the probe."""
    by_name = {each.name: each.metrics[record.metric] for each in record.contenders}
    return [f"{by_name[name].value:.3f}" for name in ("tuned", "probe")]


def read(sources: str) -> Rows:
    """Texts and labels of files that liftune reads, joined with a comma."""
    from liftune.data import load_data
    from liftune.spec import DataSpec

    rows: Rows = []
    for source in sources.split(","):
        splits = load_data(DataSpec(source=source))
        for part in (splits.train, splits.validation, splits.test):
            rows += [(str(text), str(label)) for text, label in zip(part.rows, part.targets, strict=True)]
    return rows


def balanced(rows: Rows, size: int, rng: random.Random) -> dict[str, Rows]:
    """So many train and test rows, validation a quarter, each label equally often; each text once."""
    by_label: dict[str, list[str]] = defaultdict(list)
    for text, label in dict.fromkeys(rows):
        by_label[label].append(text)
    sizes = {"train": size, "validation": size // 4, "test": size}
    parts: dict[str, Rows] = {name: [] for name in PARTS}
    for label, texts in sorted(by_label.items()):
        rng.shuffle(texts)
        for name, whole in sizes.items():
            share = whole // len(by_label)
            parts[name] += [(text, label) for text in texts[:share]]
            del texts[:share]
    for part in parts.values():
        rng.shuffle(part)
    return parts


def hidden(messages: dict[str, Rows], carriers: list[str], *, two: bool) -> dict[str, Rows]:
    """Each message, or two of its label, among carriers; each part has carriers of its own."""
    rng = random.Random(1)
    carriers = list(dict.fromkeys(carriers))
    rng.shuffle(carriers)
    length = counter()
    found = {}
    for i, (name, rows) in enumerate(messages.items()):
        of_part = endless(carriers[i :: len(PARTS)], rng)
        by_label: dict[str, list[str]] = defaultdict(list)
        for text, label in rows:
            by_label[label].append(text)
        found[name] = [
            (within([text, *([rng.choice(by_label[label])] if two else [])], of_part, length), label)
            for text, label in rows
        ]
    return found


def endless(texts: Sequence[str], rng: random.Random) -> Iterator[str]:
    """The texts in ever new orders."""
    while True:
        yield from rng.sample(texts, len(texts))


def within(messages: Sequence[str], carriers: Iterator[str], length: Callable[[str], int]) -> str:
    """Carriers of BEFORE tokens before each message."""
    parts: list[str] = []
    for message in messages:
        tokens = 0
        while tokens < BEFORE:
            parts.append(next(carriers))
            tokens += length(parts[-1])
        parts.append(message)
    return " ".join(parts)


def counter() -> Callable[[str], int]:
    """Tokens of a text, without special ones, as MiniLM counts them."""
    from liftune.data.lengths import find_length_meter

    meter = find_length_meter("minilm")
    special = meter.special(pairs=False)
    return lambda text: int(meter.count([text])[0]) - special


def write(folder: Path, parts: dict[str, Rows]) -> None:
    """A file a part."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def doors_of(run: Path, rows: Path, most: int = 12) -> dict[str, tuple[float, int]]:
    """Door -> how far its probabilities are from Python's, and how many labels are others."""
    import numpy as np
    from starlette.testclient import TestClient

    import liftune
    from liftune.cli.main import main
    from liftune.exports.run import export
    from liftune.server.app import make_app
    from liftune.server.opening import model_opener
    from liftune.server.registry import ModelRegistry
    from liftune.server.server import ServeOptions

    texts = [json.loads(line)["text"] for line in rows.read_text(encoding="utf-8").splitlines()][:most]
    expected = liftune.load(run).predict(texts)
    labels = list(expected[0].probabilities or ())
    found: dict[str, Any] = {"python": [each.probabilities for each in expected]}
    part = run.parent / "texts.jsonl"
    part.write_text("".join(json.dumps({"text": each}) + "\n" for each in texts), encoding="utf-8")
    answers = run.parent / "answers.jsonl"
    answers.unlink(missing_ok=True)
    main(["predict", str(run), "--in", str(part), "--out", str(answers)])
    lines = answers.read_text(encoding="utf-8").splitlines()
    found["predict"] = [json.loads(line)["probabilities"] for line in lines]
    models = ModelRegistry(model_opener(ServeOptions([]), 2048))
    models.load(str(run))
    with TestClient(make_app(models)) as client:
        answer = client.post("/v1/classify", json={"texts": texts}).json()
    found["serve"] = [each["probabilities"] for each in answer["results"]]
    for name in ("merged", "onnx", "onnx-int8"):
        bundle = run.parent / f"{run.name}-{name}"
        shutil.rmtree(bundle, ignore_errors=True)
        export(run, bundle, format=name, accept_gap=True)
        found[name] = [each.probabilities for each in liftune.load(bundle).predict(texts)]
    shares = {name: np.array([[each[label] for label in labels] for each in rows]) for name, rows in found.items()}
    gaps = {name: float(np.abs(each - shares["python"]).max()) for name, each in shares.items()}
    return {
        name: (gaps[name], int((each.argmax(1) != shares["python"].argmax(1)).sum())) for name, each in shares.items()
    }

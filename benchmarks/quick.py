"""Quick: a few ratios in a few minutes, beside those that were last kept for this processor.

    train, short rows     rows a second of ours over plain PEFT's (`stock`), on the sample's texts
    train, long rows      the same on texts of many of them, joined
    predict               the time of a transformers pipeline over that of `liftune predict`, on one run
    attention             the time of tiles over that of the compiled kernel, for each kind of processor that this is of

A ratio within a round hardly depends on what else the machine does; a rate would.
In: what was kept (quick.json beside this file).  Out: a table; 1 where even the best round is below SLOWER of what was
kept. Not here: careful figures (speed.py, predict.py).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import kernel, predict, rows, show, speed
from benchmarks.contender import launch
from benchmarks.search import USUAL
from benchmarks.summary import Spread, ratios
from benchmarks.work import Work
from liftune.hardware.processor import processor_name
from liftune.versions import versions

KEPT = Path(__file__).with_name("quick.json")
#: The share of a kept ratio that the best round must reach.
SLOWER = 0.85
#: Sample texts in one long row: about 250 tokens.
JOINED = 14
#: Train rows of a timed epoch.
ROWS = {"short": 160, "long": 48}
ANSWERED = 160

Ratios = dict[str, Spread]


def run(arguments: argparse.Namespace) -> int:
    """Measure, print beside what was kept, keep if asked."""
    found = measured(arguments)
    kept = read_kept(Path(arguments.kept))
    machine = f"{processor_name()}, {found.pop('threads')} threads"
    before = {name: Spread(**each) for name, each in kept.get(machine, {}).get("ratios", {}).items()}
    slower = told(found["ratios"], before, machine)
    if arguments.keep:
        facts = {"at": show.now(), "versions": versions(show.RECORDED)}
        now = {name: vars(each) for name, each in found["ratios"].items()}
        text = json.dumps({**kept, machine: {**facts, "ratios": now}}, indent=1, sort_keys=True)
        Path(arguments.kept).write_text(text + "\n", encoding="utf-8")
        show.say(f"kept in {arguments.kept}")
    return int(bool(slower) and not arguments.keep)


def measured(arguments: argparse.Namespace, launch: speed.Launch = launch) -> dict[str, Any]:
    """The ratios by name, and how many threads ours had."""
    found: Ratios = {}
    with tempfile.TemporaryDirectory() as scratch:
        for length, count in ROWS.items():
            folder = Path(scratch) / length
            data(folder, long=length == "long")
            task = Work("stock", str(folder), arguments.model, arguments.max_length, rows=count, config=USUAL)
            ours = Work("ours", str(folder), arguments.model, arguments.max_length, rows=count)
            results = speed.in_turn({"stock": task, "ours": ours}, arguments.repeats, launch)
            ratio = ratios(results["ours"], results["stock"])
            if ratio is None:
                raise SystemExit(f"benchmarks: {[each.missing for part in results.values() for each in part]}")
            found[f"train, {length} rows"] = ratio
        found["predict"] = predicting(arguments, Path(scratch))
    found |= kernel.against_tiles(arguments.repeats)
    return {"ratios": found, "threads": results["ours"][0].threads}


def data(folder: Path, *, long: bool) -> None:
    """The sample, or the sample with many texts of a label in each row."""
    rows.write(rows.read("sample:emotions", None), folder, rows=None, validation_rows=64)
    if not long:
        return
    for path in folder.glob("*.jsonl"):
        by_label: dict[str, list[str]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            by_label.setdefault(row["label"], []).append(row["text"])
        joined = [
            {"text": " ".join((texts * 2)[start : start + JOINED]), "label": label}
            for label, texts in by_label.items()
            for start in range(len(texts))
        ]
        path.write_text("".join(json.dumps(each) + "\n" for each in joined), encoding="utf-8")


def predicting(arguments: argparse.Namespace, scratch: Path) -> Spread:
    """How many times as long a pipeline takes as `liftune predict`, on a run that is tuned for it."""
    import liftune

    made = liftune.tune(
        "sample:emotions", model=arguments.model, epochs=1, few="off", out=str(scratch / "run"), quiet=True
    )
    texts = [json.loads(line)["text"] for line in (scratch / "short" / "train.jsonl").read_text("utf-8").splitlines()]
    asked = argparse.Namespace(run=made.run, contenders=["pipeline", "float32"], repeats=arguments.repeats)
    rounds, _ = predict.measured(asked, texts[:ANSWERED], {}, scratch)
    return Spread.of([each["pipeline"]["wall"] / each["float32"]["wall"] for each in rounds])


def told(now: Ratios, before: Ratios, machine: str) -> list[str]:
    """Print them side by side; the names of those that are slower than before."""
    slower = [name for name, each in now.items() if name in before and each.high < SLOWER * before[name].median]
    lines = []
    for name, each in now.items():
        was = speed.spread(vars(before[name])) if name in before else "-"
        lines.append(
            (
                name,
                speed.spread(vars(each)),
                was,
                "slower" if name in slower else "as before" if name in before else "new",
            )
        )
    notes = [
        "medians and ranges over rounds; train: times plain PEFT's rows a second, predict: times a pipeline; "
        "attention: times tiles, one thread"
    ]
    if not before:
        notes.append("nothing is kept for this processor: --keep keeps these")
    show.table(f"Quick check, {machine}", ("work", "now", "kept", ""), lines, notes)
    return slower


def read_kept(path: Path) -> Mapping[str, Any]:
    """Processor -> what was kept; nothing where there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

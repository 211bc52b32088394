"""Many adapters on one base against one merged model: throughput in one engine and precision, and memory.

In: arguments.  Out: a table, JSON.  Not here: mixed batches themselves (liftune/models/multi_lora).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.adapters_made import save_adapters
from benchmarks.serve import spread, texts_and_labels
from benchmarks.show import say, table, write_json
from liftune.hardware.measure import measure_machine, release_memory
from liftune.hardware.plan import Plan, make_plan
from liftune.models.adapter_io import open_adapter
from liftune.models.attach import use_packed_encoder
from liftune.models.multi_lora.low_rank import AdapterWeights
from liftune.models.multi_lora.model import MixedModel
from liftune.models.multi_lora.segments import MixedRow
from liftune.models.multi_lora.shared_base import AdapterPool, PooledAdapter


def run(arguments: argparse.Namespace) -> int:
    """Load, compare answers, take times in turn."""
    texts, labels = texts_and_labels(arguments)
    texts = texts[: arguments.rows]
    plan = replace(make_plan(measure_machine()).for_inference, dtype=arguments.precision)
    with tempfile.TemporaryDirectory() as place:
        folders = save_adapters(arguments.model, labels, Path(place), arguments.adapters)
        merged = merged_pass(folders[0], plan, texts)
        release_memory()
        before = resident_mib()
        pool = AdapterPool(plan, tokens=2048)
        opened = [pool.open(folders[0])]
        one = resident_mib()
        for number, folder in enumerate(folders[1:], 2):
            opened.append(pool.open(folder))
            release_memory()
            if number % 10 == 0:
                say(f"{number} adapters loaded")
        memory = memory_of(opened, before, one, resident_mib())
    contenders = {"merged": merged, **{f"{k} adapters": mixed_pass(opened[:k], texts) for k in mixes(arguments)}}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    processor: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(arguments.repeats + 1):
        for name, answer in contenders.items():
            begun, spent = time.perf_counter(), time.process_time()
            answer()
            if number:  # the first round is a warm-up
                seconds[name].append(time.perf_counter() - begun)
                processor[name].append(time.process_time() - spent)
    show({"seconds": seconds, "processor": processor}, memory, len(texts), arguments)
    return 0


def mixes(arguments: argparse.Namespace) -> list[int]:
    """How many adapters share a batch."""
    return sorted({1, min(8, arguments.adapters), arguments.adapters})


def merged_pass(folder: Path, plan: Plan, texts: list[str]) -> Callable[[], Any]:
    """One adapter folded into its base, by the same engine's fastest path."""
    classifier: Any = open_adapter(folder, plan=plan)
    classifier.model = classifier.model.merge_and_unload()
    classifier.method = None
    use_packed_encoder(classifier)
    model, weights = MixedModel(classifier), AdapterWeights({}, {}, classifier.backbone.outputs)
    rows = [MixedRow(weights, row) for row in classifier.encode(texts)]
    return lambda: model.logits(rows)


def mixed_pass(opened: list[PooledAdapter], texts: list[str]) -> Callable[[], Any]:
    """The texts, each to the next adapter."""
    (model,) = {each.mixed_model for each in opened}
    chunk = opened[0].row_encoder.chunk(texts)
    rows = [MixedRow(opened[i % len(opened)].weights, chunk.row(i)) for i in range(len(texts))]
    return lambda: model.logits(rows)


def resident_mib() -> float:
    """Memory that the process holds now."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def memory_of(opened: list[PooledAdapter], before: float, one: float, after: float) -> dict[str, float]:
    """MiB: what must be held, and what is."""
    base = opened[0].base
    assert base is not None
    tensors = sum(each.numel() * each.element_size() for each in base.tensors.values()) / 2**20
    adapters = sum(each.weights.bytes() for each in opened) / 2**20
    return {
        "base": tensors,
        "adapters": adapters,
        "allowed": 1.2 * (tensors + adapters),
        "held": after - before,
        "held by the first": one - before,
        "held by the others": after - one,
    }


def show(
    times: dict[str, dict[str, list[float]]], memory: dict[str, float], rows: int, arguments: argparse.Namespace
) -> None:
    """The table and the JSON: ratios of wall time, and of CPU time, which what else runs disturbs less."""
    cells = []
    ratios: dict[str, dict[str, list[float]]] = {clock: {} for clock in times}
    for name in times["seconds"]:
        shown = [f"{rows / median(times['seconds'][name]):.1f}"]
        for clock, by_model in times.items():
            ratios[clock][name] = [a / b for a, b in zip(by_model["merged"], by_model[name], strict=True)]
            shown.append(spread(ratios[clock][name]))
        cells.append((name, *shown))
    table(
        f"{rows} rows a batch, {arguments.precision}, {torch.get_num_threads()} threads",
        ("model", "rows/s", "of merged, within a round", "of merged, by CPU time"),
        cells,
        [f"memory, MiB: {', '.join(f'{name} {value:.0f}' for name, value in memory.items())}"],
    )
    results = {**times, "ratios": ratios, "memory_mib": memory}
    write_json(Path(arguments.out) / "many.json", "many", vars(arguments), results)

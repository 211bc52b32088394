"""The model that a run with --start goes on from: a contender as it was, and what tuning it further gained and lost.

In: a RunContext with a Beginning, the ladder.  Out: the contender start, kept in the run; a Start for the record.
Not here: the rows (starting_rows.py), tuning it further (models/started.py).
"""

from __future__ import annotations

import shutil
import time

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.clean_rows import Leaks
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation, score_interval
from liftune.evaluation.harm import label_harms, logits_over
from liftune.evaluation.ladder import ContenderLogits, Ladder
from liftune.files import atomic_folder, sha256_of_files
from liftune.metrics.registry import METRICS
from liftune.models.adapter_io import open_adapter
from liftune.records.base import Interval
from liftune.records.harm import LabelHarm
from liftune.records.start import Start, StartPart
from liftune.workflows.context import RunContext, log_contender
from liftune.workflows.memo import Outcome
from liftune.workflows.starting_rows import Beginning

_WEIGHTS, _README = "adapter_model.safetensors", "README.md"


def seen_before(beginning: Beginning) -> frozenset[bytes]:
    """Hashes of the rows that the started model was tuned on."""
    run = beginning.started.run
    return run.tuned_on().train if run else frozenset()


def run_start(context: RunContext, ladder: Ladder) -> None:
    """Score the started model as it is, on the rows of all contenders; keep a copy of it."""
    assert context.beginning is not None
    started, splits = context.beginning.started, context.splits
    kept = context.memo.get("start")
    if kept is None:
        with context.events.stage("start", f"reading {started.asked}"):
            plan = context.plan.for_inference
            classifier = open_adapter(
                started.folder,
                card=started.card.model_copy(update={"base": context.spec.model.name, "base_revision": None}),
                plan=plan,
                trust_remote_code=context.spec.model.trust_remote_code,
            )
        validation = classifier.logits(splits.validation.rows)
        before = time.perf_counter()
        test = classifier.logits(splits.test.rows)
        seconds = time.perf_counter() - before
        kept = Outcome(seconds, {"validation": _over(context, validation), "test": _over(context, test)})
        context.memo.put("start", kept)
    logits = ContenderLogits(kept["validation"], kept["test"], float(kept.values))
    logits = logits.with_thresholds(splits, context.metric)
    with atomic_folder(context.folder.contender("start")) as folder:
        for path in started.folder.iterdir():
            if path.is_file() and path.name != _README:  # which speaks of its own run
                shutil.copyfile(path, folder / path.name)
    contender = ladder.add(
        "start",
        [logits],
        head="trained",
        max_length=started.card.max_length,
        saved_bytes=context.folder.saved_bytes("start"),
        notes=(f"{started.asked} as it was: {started.card.method}",),
    )
    log_contender(context, contender)


def _over(context: RunContext, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, C) of the run's labels, from logits over the started model's."""
    assert context.beginning is not None
    labels = context.beginning.started.card.labels
    if not labels or labels == context.splits.labels:
        return logits
    return logits_over(logits, labels, context.splits.labels)


def start_record(context: RunContext, ladder: Ladder) -> Start:
    """What it was, which rows were taken, and what was gained and lost on old and on new test rows."""
    assert context.beginning is not None
    started, rows = context.beginning.started, context.beginning.rows
    before, after = (ladder.results[name].evaluation for name in ("start", "tuned"))
    leaks = Leaks.of(context.splits.audit)
    clean = leaks.clean(after)
    places = {"old": clean[clean < rows.old_test], "new": clean[clean >= rows.old_test]}
    parts = tuple(
        _part(context, name, before.take(each), after.take(each)) for name, each in places.items() if len(each)
    )
    old_labels: tuple[LabelHarm, ...] = ()
    if len(places["old"]):
        old_labels = label_harms(before.take(places["old"]), after.take(places["old"]))
    return Start(
        folder=started.asked,
        sha256=sha256_of_files(started.folder / _WEIGHTS),
        method=started.card.method,
        base=started.card.base,
        labels=started.card.labels,
        added=rows.added,
        new_rows=rows.new_rows,
        replayed=rows.replayed,
        replayed_of=rows.replayed_of,
        parts=parts if rows.old_test else (),
        old_labels=old_labels,
        notes=rows.notes,
    )


def _part(context: RunContext, name: str, before: Evaluation, after: Evaluation) -> StartPart:
    metric = METRICS[context.metric]
    found = compare(before, after, metric.name)
    return StartPart(
        name=name,
        rows=len(before),
        before=score_interval(metric, [before]),
        after=score_interval(metric, [after]),
        gain=Interval(value=found.gain, low=found.low, high=found.high, note=found.note),
    )

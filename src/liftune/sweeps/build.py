"""A sweep's record, from what its cells left on disk.

In: stages, the sweep's folder.  Out: a SweepRecord.  Not here: the ranking (leaderboard.py), the cells (cells.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from liftune.data.splits import Splits
from liftune.evaluation.clean_rows import LEAST_CLEAN, Leaks
from liftune.evaluation.evaluate import Evaluation
from liftune.metrics.registry import check_metric
from liftune.records.sweep import BaselinesRecord, CellRecord, SearchRecord, SweepRecord
from liftune.sweeps.cells import Stage
from liftune.sweeps.folder import SweepFolder
from liftune.sweeps.grid import Cell
from liftune.sweeps.leaderboard import LeaderboardEntry, chosen, entries_of, leaderboard
from liftune.versions import versions


def build_record(
    stages: dict[str, Stage], folder: SweepFolder, splits: Splits, cells: Sequence[Cell], search: SearchRecord | None
) -> SweepRecord:
    """Everything that the sweep computed, as one record.

    Args:
        cells: those that test is looked at for; of a search, its winner's.
    """
    first = next(iter(stages.values()))
    spec, metric = first.spec, check_metric(first.spec.run.evaluation.metric, splits.task).name
    done = tuple(record for cell in cells if (record := folder.cell(cell)) is not None)
    baselines = tuple(cast(BaselinesRecord, folder.baselines(model)) for model in spec.models)
    entries = [
        entry
        for stage, record in zip(stages.values(), baselines, strict=True)
        for entry in _entries(stage, record, done)
    ]
    ranked = leaderboard(entries, metric)
    best = chosen(ranked, metric)
    return SweepRecord(
        sweep=str(folder.path),
        data=spec.run.data.source,
        task=splits.task,
        labels=splits.labels,
        partial=splits.partial,
        rows=splits.counts,
        audit=splits.audit,
        metric=metric,
        data_fingerprint=splits.fingerprint,
        baselines=baselines,
        cells=done,
        leaderboard=ranked,
        chosen=None if best is None else f"{best.contender} on {best.model}",
        search=search,
        notes=(*notes(done, baselines), *leaks(splits)),
        versions=versions(),
    )


def notes(cells: Sequence[CellRecord], baselines: Sequence[BaselinesRecord]) -> tuple[str, ...]:
    """What a reader of the numbers should know."""
    lines = []
    if any(cell.state == "done" and cell.memory_mib is None for cell in cells):
        lines.append("memory of a cell is unknown: this system does not let a process count it anew")
    if len({record.max_length for record in baselines}) > 1:
        lines.append("the models read rows cut at different lengths: " + ", ".join(_lengths(baselines)))
    return tuple(lines)


def leaks(splits: Splits) -> tuple[str, ...]:
    """On which test rows contenders are ranked, where some leak."""
    leaked, every = len(splits.audit.unclean), len(splits.test)
    if not leaked:
        return ()
    what = f"{leaked:,} of {every:,} test examples leak from train or validation"
    if every - leaked < LEAST_CLEAN:
        return (f"{what}, and too few are left without them: contenders are ranked on all",)
    return (f"{what}: contenders are ranked on the other {every - leaked:,}",)


def _lengths(baselines: Sequence[BaselinesRecord]) -> Iterator[str]:
    return (f"{record.model} {record.max_length} tokens" for record in baselines)


def _entries(stage: Stage, baselines: BaselinesRecord, cells: Sequence[CellRecord]) -> list[LeaderboardEntry]:
    """A model's contenders with their logits, from disk."""
    done = [cell for cell in cells if cell.model == stage.model and cell.state == "done"]
    as_cells = {
        contender.name: CellRecord(
            model=stage.model,
            method=contender.name,
            seed=stage.spec.run.train.seeds[0],
            state="done",
            metrics=contender.metrics,
            validation=contender.validation,
            train_seconds=contender.seconds.train,
            trainable_parameters=contender.trainable_parameters,
        )
        for contender in baselines.contenders
    }

    def evaluation(name: str) -> Evaluation:
        splits = stage.context.splits
        found = stage.context.folder.unrecorded_evaluation(name, splits, stage.context.metric)
        clean = Leaks.of(splits.audit).clean(found)
        return found if len(clean) < LEAST_CLEAN else found.take(clean)

    return entries_of(
        stage.model,
        {name: (cell, evaluation(name)) for name, cell in as_cells.items()},
        [(cell, evaluation(cell.name)) for cell in done],
    )

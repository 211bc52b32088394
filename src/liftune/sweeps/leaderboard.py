"""The leaderboard of a sweep: one row a contender, ranked, with what it cost.

In: cells and baselines, and each one's logits.  Out: LeaderboardRows, best first.
Not here: the ranking's statistics (evaluation/ranking.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.ranking import Entrant, rank
from liftune.metrics.registry import METRICS
from liftune.records.sweep import CellRecord, Cost, LeaderboardRow
from liftune.types import BoolArray, FloatArray

#: Cost -> the field of a LeaderboardRow that holds it.
COSTS: dict[Cost, str] = {"seconds": "train_seconds", "memory": "memory_mib", "size": "adapter_bytes"}


@dataclass(frozen=True)
class LeaderboardEntry:
    """A contender of one model: its cells, one a seed (a baseline has one), and their evaluations."""

    model: str
    contender: str
    tuned: bool
    cells: tuple[CellRecord, ...]
    evaluations: tuple[Evaluation, ...]


def leaderboard(entries: Sequence[LeaderboardEntry], metric: str) -> tuple[LeaderboardRow, ...]:
    """Every contender, best first, with its costs and the Pareto fronts it is on."""
    by_key = {f"{entry.model}\n{entry.contender}": entry for entry in entries}
    places = rank([Entrant(key, entry.evaluations) for key, entry in by_key.items()], metric)
    rows = []
    for place in places:
        entry = by_key[place.name]
        rows.append(
            LeaderboardRow(
                model=entry.model,
                contender=entry.contender,
                tuned=entry.tuned,
                rank=place.rank,
                letters=place.letters,
                as_best=place.as_best,
                score=place.score,
                seeds=len(entry.cells),
                spread=place.spread,
                validation=_mean([cell.validation.get(metric) for cell in entry.cells]),
                train_seconds=_mean([cell.train_seconds for cell in entry.cells]),
                memory_mib=_mean([cell.memory_mib for cell in entry.cells]),
                trainable_parameters=entry.cells[0].trainable_parameters,
                adapter_bytes=round(np.mean([cell.adapter_bytes for cell in entry.cells])) if entry.tuned else None,
            )
        )
    return pareto_fronts(rows, METRICS[metric].sign)


def chosen(rows: Sequence[LeaderboardRow], metric: str) -> LeaderboardRow | None:
    """The contender with the best validation score, the first of equals; None where none has one."""
    known = [each for each in rows if each.validation is not None]
    return max(known, key=lambda each: METRICS[metric].sign * (each.validation or 0.0), default=None)


def pareto_fronts(rows: Sequence[LeaderboardRow], sign: float) -> tuple[LeaderboardRow, ...]:
    """Each row with the costs at which nothing else is both cheaper and better."""
    fronts: dict[int, list[Cost]] = {i: [] for i in range(len(rows))}
    for cost, field in COSTS.items():
        known = [i for i, each in enumerate(rows) if getattr(each, field) is not None and each.score.value is not None]
        points = np.array([[getattr(rows[i], field), -sign * (rows[i].score.value or 0.0)] for i in known], dtype=float)
        for i, on in zip(known, front(points.reshape(-1, 2)), strict=True):
            if on:
                fronts[i].append(cost)
    return tuple(each.model_copy(update={"fronts": tuple(fronts[i])}) for i, each in enumerate(rows))


def front(points: FloatArray) -> BoolArray:
    """(N,) whether no other point is at most as large in both columns and smaller in one.

    >>> front(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 2.0]])).tolist()
    [True, True, False]
    """
    no_larger = np.all(points[None, :, :] <= points[:, None, :], axis=2)
    smaller = np.any(points[None, :, :] < points[:, None, :], axis=2)
    return np.asarray(~np.any(no_larger & smaller, axis=1))


def entries_of(
    model: str, baselines: Mapping[str, tuple[CellRecord, Evaluation]], cells: Sequence[tuple[CellRecord, Evaluation]]
) -> list[LeaderboardEntry]:
    """A model's contenders: its baselines, and its cells gathered by method."""
    entries = [
        LeaderboardEntry(model, name, False, (cell,), (evaluation,)) for name, (cell, evaluation) in baselines.items()
    ]
    by_method: dict[str, LeaderboardEntry] = {}
    for cell, evaluation in cells:
        # The baseline `probe` is fitted to features; the method of that name tunes the model's own head.
        name = f"{cell.method} (tuned)" if cell.method in baselines else cell.method
        before = by_method.get(cell.method, LeaderboardEntry(model, name, True, (), ()))
        by_method[cell.method] = replace(
            before, cells=(*before.cells, cell), evaluations=(*before.evaluations, evaluation)
        )
    return [*entries, *by_method.values()]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None

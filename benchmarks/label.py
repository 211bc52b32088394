"""Which rows to label next, simulated: rows of a data set count as unlabelled until a strategy asks for them.

Per data set and seed: a few rows drawn evenly, a probe on a frozen model's features of them, then rounds in which each
strategy of `liftune label` chooses rows by that probe's margins and the same features, and the probe is fitted again.
All strategies start from the same rows, and are scored on the same test rows.
In: arguments.  Out: one table, label.json.  Not here: the strategies (liftune.labelling.strategies).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import show
from benchmarks.defaults import name_of
from liftune.data import load_data
from liftune.data.splits import Splits
from liftune.data.tuned_on import hash_of
from liftune.labelling.strategies import STRATEGIES
from liftune.spec import DataSpec, ModelSpec
from liftune.tasks import task_of

Floats = NDArray[np.float64]
#: What others are measured against.
RANDOM = "random"
_DRAWS, _LEVEL = 2_000, (0.025, 0.975)


@dataclass(frozen=True)
class Scored:
    """One data set: for each strategy (seeds, rounds + 1) scores, and the labels that there were at each."""

    name: str
    metric: str
    labels: NDArray[np.int64]
    scores: Mapping[str, Floats]


@dataclass(frozen=True)
class Ranged:
    """A value and its 95% interval over seeds."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


@dataclass(frozen=True)
class Known:
    """Candidates whose probabilities and features are known."""

    margins: Any
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.vectors)

    def features(self, positions: Any) -> NDArray[np.float32]:
        """(M, D)."""
        return np.asarray(self.vectors[positions])


def run(arguments: argparse.Namespace) -> int:
    """Each data set in turn; print, write."""
    found = []
    for source in arguments.data:
        splits, pool, test = read(source, arguments)
        show.say(f"{name_of(source)}: {len(pool):,} rows to choose from, {len(test):,} to score on")
        found.append(simulated(name_of(source), splits, pool, test, arguments))
        _keep(found, arguments)
    columns = ("data", "strategy", "labels", "accuracy", "gain over rounds, points", "labels saved, %")
    lines = []
    for each in found:
        for name, scores in each.scores.items():
            beaten = name != RANDOM
            gain = str(mean_gain(each, name)) if beaten else ""
            saved = str(labels_saved(each, name)) if beaten else ""
            lines.append((each.name, name, f"{each.labels[-1]:,}", f"{scores[:, -1].mean():.3f}", gain, saved))
    note = "Against random choice, with 95% intervals over seeds; labels saved at the lower of the two best scores."
    show.table(f"rows to label, {arguments.seeds} seeds", columns, lines, [note])
    return 0


def _keep(found: Sequence[Scored], arguments: argparse.Namespace) -> None:
    """Write what is there so far: a set takes minutes."""
    results = {
        each.name: {
            "metric": each.metric,
            "labels": each.labels.tolist(),
            "scores": {name: scores.tolist() for name, scores in each.scores.items()},
        }
        for each in found
    }
    show.write_json(Path(arguments.out) / "label.json", "label", vars(arguments), {"sets": results})


def read(source: str, arguments: argparse.Namespace) -> tuple[Splits, NDArray[np.float32], NDArray[np.float32]]:
    """A data set whose train rows are the pool, each text once, and features of pool and test."""
    splits = load_data(DataSpec(source=source, train_rows=arguments.pool, test_rows=arguments.test_rows))
    once = {hash_of(row): i for i, row in enumerate(splits.train.rows)}
    splits = replace(splits, train=splits.train.take(sorted(once.values())))
    kept = Path(arguments.runs) / f"{name_of(source)}-{arguments.pool}-{arguments.test_rows}.npz"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        model = frozen(splits, arguments.model)
        np.savez(kept, pool=model.features(splits.train.rows)["mean"], test=model.features(splits.test.rows)["mean"])
    with np.load(kept) as arrays:
        return splits, arrays["pool"], arrays["test"]


def frozen(splits: Splits, name: str) -> Any:
    """The pretrained model."""
    from liftune.inference.loading import prediction_plan
    from liftune.models.attach import attach
    from liftune.models.backbone import load_backbone

    plan = prediction_plan(None, None)
    backbone = load_backbone(ModelSpec(name=name), task=splits.task, labels=splits.labels, seed=0, plan=plan)
    return attach(backbone, None, plan=plan)


def simulated(
    name: str,
    splits: Splits,
    pool: NDArray[np.float32],
    test: NDArray[np.float32],
    arguments: argparse.Namespace,
) -> Scored:
    """Every strategy from the same rows on, for each seed."""
    targets = {part: splits.encoded(getattr(splits, part)) for part in ("train", "test")}
    sizes = arguments.start + arguments.budget * np.arange(arguments.rounds + 1)
    sizes = sizes[sizes <= len(pool)]
    scores: dict[str, Floats] = {each: np.zeros((arguments.seeds, len(sizes))) for each in arguments.strategies}
    for seed in range(arguments.seeds):
        first = started(targets["train"], arguments.start, seed)
        for strategy in arguments.strategies:
            labelled = first
            for i in range(len(sizes)):
                probe = Probe(pool[labelled], targets["train"][labelled], len(splits.labels))
                scores[strategy][seed, i] = float((probe.logits(test).argmax(axis=1) == targets["test"]).mean())
                if i + 1 < len(sizes):
                    left = np.setdiff1d(np.arange(len(pool)), labelled)
                    margins = task_of(splits.task).margins(probe.logits(pool[left]))
                    chosen = STRATEGIES[strategy].build(Known(margins, pool[left]), arguments.budget, 1000 * seed + i)
                    labelled = np.concatenate([labelled, left[chosen]])
        show.say(f"{name}: seed {seed}, " + ", ".join(f"{each} {scores[each][seed, -1]:.3f}" for each in scores))
    return Scored(name, "accuracy", sizes, scores)


def started(targets: NDArray[np.int64], rows: int, seed: int) -> NDArray[np.int64]:
    """Rows drawn evenly until two labels are among them."""
    order = np.random.default_rng(seed).permutation(len(targets))
    other = int(np.argmax(targets[order] != targets[order[0]]))
    return np.array([*order[:rows][: rows - 1], order[max(other, rows - 1)]], dtype=np.int64)


class Probe:
    """Logistic regression on features of unit scale; labels that it has not seen are never its answer."""

    def __init__(self, features: NDArray[np.float32], targets: NDArray[np.int64], labels: int) -> None:
        from sklearn.linear_model import LogisticRegression

        self._mean, self._scale = features.mean(axis=0), float(features.std()) or 1.0
        self._model = LogisticRegression(C=0.1, max_iter=200).fit(self._scaled(features), targets)
        self._labels = labels

    def _scaled(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((features - self._mean) / self._scale)

    def logits(self, features: NDArray[np.float32]) -> Floats:
        """(N, C)."""
        with np.errstate(divide="ignore"):
            known = self._model.predict_log_proba(self._scaled(features))
        logits = np.full((len(features), self._labels), -30.0)
        logits[:, self._model.classes_] = np.maximum(known, -30.0)
        return logits


def mean_gain(found: Scored, name: str) -> Ranged:
    """Mean over rounds of the difference to random choice, in points, with a bootstrap over seeds."""
    each = 100 * (found.scores[name] - found.scores[RANDOM])[:, 1:].mean(axis=1)
    return _ranged(each.mean(), [each[drawn].mean() for drawn in _drawn(len(each))])


def labels_saved(found: Scored, name: str) -> Ranged:
    """The share of random choice's labels that the strategy does without, in percent; negative where it needs more.

    It is read off the mean curves at the lower of the two last scores, with a bootstrap over seeds.
    """
    ours, theirs = found.scores[name], found.scores[RANDOM]
    drawn = [_saved(ours[rows].mean(axis=0), theirs[rows].mean(axis=0), found.labels) for rows in _drawn(len(ours))]
    return _ranged(_saved(ours.mean(axis=0), theirs.mean(axis=0), found.labels), drawn)


def _saved(ours: Floats, theirs: Floats, labels: NDArray[np.int64]) -> float:
    """Of two curves.

    >>> at = np.array([10, 20, 40])
    >>> _saved(np.array([0.5, 0.7, 0.8]), np.array([0.5, 0.6, 0.7]), at)
    50.0
    >>> round(_saved(np.array([0.5, 0.6, 0.7]), np.array([0.5, 0.7, 0.8]), at))
    -100
    """
    goal = min(float(ours.max()), float(theirs.max()))
    needed = [_labels_for(goal, curve, labels) for curve in (ours, theirs)]
    return float(100 * (1 - needed[0] / needed[1]))


def _labels_for(goal: float, curve: Floats, labels: NDArray[np.int64]) -> float:
    """Where a curve first reaches a score, between its points in a straight line."""
    i = int(np.argmax(curve >= goal))
    if i == 0 or curve[i] == curve[i - 1]:
        return float(labels[i])
    share = (goal - curve[i - 1]) / (curve[i] - curve[i - 1])
    return float(labels[i - 1] + share * (labels[i] - labels[i - 1]))


def _drawn(seeds: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, seeds, size=(_DRAWS, seeds))


def _ranged(value: float, drawn: Sequence[float]) -> Ranged:
    low, high = np.quantile(drawn, _LEVEL)
    return Ranged(float(value), float(low), float(high))

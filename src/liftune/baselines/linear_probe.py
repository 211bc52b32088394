"""The probe: a linear model on frozen features, the strongest baseline that leaves the backbone as it is.

In: features of train and validation, (N, D) for each pooling, and the splits.  Out: a Probe.
Not here: reading features from a model (models/classifier.py), starting a model's head from the probe
(training/loop.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_models import ITERATIONS, Linear, choose_strength
from liftune.baselines.soft_labels import BaselineFit
from liftune.data.splits import Splits
from liftune.errors import DataError, need
from liftune.metrics.registry import check_metric
from liftune.types import FloatArray

FeatureScaling = Literal["none", "standardise", "unit"]

SCALINGS: tuple[FeatureScaling, ...] = ("none", "standardise", "unit")

#: Inverse strengths (scikit-learn's C) for features of about unit scale.
_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
#: Pooling and scaling are chosen on at most this many train rows, at these strengths and with few steps: what differs
#: between them differs early.
_TRIAL_ROWS = 4_000
_TRIAL_STRENGTHS = (1e-2, 1e-1)
_TRIAL_ITERATIONS = 60


@dataclass(frozen=True)
class Scale:
    """Features made fit for one strength of penalty: centred, and of about unit scale."""

    kind: FeatureScaling
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    norm: float
    """Mean length of a row, by which "unit" folds back."""

    @classmethod
    def learn(cls, kind: FeatureScaling, features: FloatArray) -> Scale:
        """From train features (N, D).

        none: one common scale for all columns. standardise: each its own. unit: rows of length sqrt(D) first, then one
            common scale.
        """
        norm = float(np.linalg.norm(features, axis=1).mean()) or 1.0
        rows = _unit(features) if kind == "unit" else features
        mean, spread = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
        if kind != "standardise":
            spread = np.full_like(spread, np.sqrt((spread**2).mean()))
        # A column that hardly moves holds rounding, not signal: blown up to unit scale it would drown the others.
        spread[spread <= 1e-5 * max(float(spread.max(initial=0.0)), 1e-20)] = np.inf
        return cls(kind, mean.astype(np.float32), spread.astype(np.float32), norm)

    def __call__(self, features: FloatArray) -> NDArray[np.float32]:
        """(N, D) to (N, D)."""
        rows = _unit(features) if self.kind == "unit" else np.asarray(features, dtype=np.float32)
        return np.asarray((rows - self.mean) / self.spread, dtype=np.float32)

    def fold(self, model: Linear) -> Linear:
        """The same model on raw features; for "unit" that of a row of the mean length."""
        weight = model.weight / self.spread
        bias = model.bias - weight @ self.mean
        if self.kind == "unit":
            weight = weight * (np.sqrt(len(self.mean)) / self.norm)
        return Linear(np.asarray(weight, dtype=np.float32), np.asarray(bias, dtype=np.float32))


def _unit(features: FloatArray) -> NDArray[np.float32]:
    """Rows of length sqrt(D), so that a column is of about unit scale as in the other scalings."""
    norms = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return np.asarray(features * (np.sqrt(features.shape[1]) / norms), dtype=np.float32)


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe.

    Args:
        pooling: the key of the features that it reads.
        strength: the inverse strength C that validation chose.
        score: on validation, the metric signed so that higher is better, then minus the loss.
    """

    pooling: str
    scale: Scale
    model: Linear
    strength: float
    score: tuple[float, float]

    def logits_of(self, features: Mapping[str, FloatArray]) -> NDArray[np.float32]:
        """(N, C) float32 from features (N, D) under the key `pooling`."""
        return self.model.logits(self.scale(features[self.pooling]))

    def baseline_fit(self, train: Mapping[str, FloatArray]) -> BaselineFit:
        """What it stands on, for fits that leave some of train's rows out."""
        return BaselineFit("probe", self.scale(train[self.pooling]), self.strength, self.score)

    @property
    def scaling(self) -> FeatureScaling:
        """How features are scaled: none, standardise or unit."""
        return self.scale.kind

    @property
    def raw(self) -> Linear:
        """Weight (C, D) and bias (C,) on raw features, to start a head from; exact unless the scaling is "unit"."""
        return self.scale.fold(self.model)

    @property
    def trainable_parameters(self) -> int:
        """Coefficients and biases."""
        return self.model.parameters


def fit_linear_probe(
    train: Mapping[str, FloatArray],
    validation: Mapping[str, FloatArray],
    splits: Splits,
    metric: str | None = None,
    *,
    scalings: Sequence[FeatureScaling] = SCALINGS,
    seed: int = 0,
) -> LinearProbe:
    """Logistic regression (one-vs-rest for multi-label, ridge for regression), fitted on train.

    Validation makes all choices: first pooling and scaling on a sample of train, then C on all of it.

    Args:
        train, validation: pooling ("mean", "first", ...) -> (N, D) features of the split's rows; one key or more.
        metric: what validation chooses by; None takes the task's default.
        scalings: to choose among; without "unit", `raw` is exact.

    Raises:
        DataError: features that are missing, not finite or not one row each.
    """
    need("sklearn")
    measure = check_metric(metric, splits.task)
    targets = splits.encoded(splits.train), splits.encoded(splits.validation)
    _check_features(train, len(targets[0]))
    _check_features(validation, len(targets[1]))
    options: list[tuple[str, FeatureScaling]] = [(pooling, scaling) for pooling in train for scaling in scalings]
    sample = _sample(len(targets[0]), seed)
    outputs = splits.outputs

    def fit(option: tuple[str, FeatureScaling], rows: Any, strengths: Sequence[float], iterations: int) -> LinearProbe:
        pooling, scaling = option
        scale = Scale.learn(scaling, train[pooling][rows])
        chosen = choose_strength(
            (scale(train[pooling][rows]), targets[0][rows]),
            (scale(validation[pooling]), targets[1]),
            outputs,
            splits.task,
            measure,
            strengths,
            iterations=iterations,
        )
        return LinearProbe(pooling, scale, chosen.model, chosen.strength, chosen.score)

    best = options[0]
    if len(options) > 1 and len(targets[1]):
        trials = [fit(option, sample, _TRIAL_STRENGTHS, _TRIAL_ITERATIONS) for option in options]
        best = options[max(range(len(options)), key=lambda i: trials[i].score)]
    return fit(best, slice(None), _STRENGTHS, ITERATIONS)


def _sample(rows: int, seed: int) -> NDArray[np.int64]:
    if rows <= _TRIAL_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, _TRIAL_ROWS, replace=False))


def _check_features(features: Mapping[str, FloatArray], rows: int) -> None:
    if not features:
        raise DataError("there are no features to probe", hint="give one pooling at least")
    for pooling, values in features.items():
        if values.ndim != 2 or len(values) != rows:
            raise DataError(
                f"features {pooling!r} have shape {values.shape}; {rows} rows were expected",
                hint="give one feature vector for each row",
            )
        if not np.isfinite(values).all():
            raise DataError(f"features {pooling!r} are not all finite", hint="read the model in float32")

"""Fit linear models on fixed features: logistic regression, one-vs-rest logistic regression, ridge; strength by
validation.

In: features (N, D), dense or scipy CSR, and encoded targets.  Out: a Linear with weight (C, D) and bias (C,).
Not here: where features come from (tfidf.py, linear_probe.py).

One solver for all tasks, feature kinds and label counts, with warm starts along the path of strengths; scikit-learn's
own has no warm multi-label fit and refuses a label without rows. A test holds it to scikit-learn's optimum.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.fewer_columns import in_fewer_columns
from liftune.metrics.metric import Metric
from liftune.tasks import TaskKind, task_of
from liftune.types import FloatArray

#: Dense (N, D) float32, or scipy CSR of the same.
Features: TypeAlias = Any
Floats32: TypeAlias = NDArray[np.float32]

ITERATIONS = 200
#: Rows by which scores of least squares are scaled.
_ROWS_TO_SCALE = 500


@dataclass(frozen=True)
class Linear:
    """logits = features @ weight.T + bias: weight (C, D), bias (C,), float32."""

    weight: Floats32
    bias: Floats32

    def logits(self, features: Features) -> Floats32:
        """(N, C) float32."""
        return np.asarray(features @ self.weight.T + self.bias, dtype=np.float32)

    @property
    def parameters(self) -> int:
        """Coefficients and biases."""
        return int(self.weight.size + self.bias.size)


@dataclass(frozen=True)
class BestFit:
    """The fit with the best validation score: its inverse strength C, and that score, higher is better."""

    model: Linear
    strength: float
    score: tuple[float, float]


def fit_linear(
    features: Features,
    targets: NDArray[Any],
    outputs: int,
    task: TaskKind,
    strength: float,
    *,
    start: Linear | None = None,
    iterations: int = ITERATIONS,
    tolerance: float | None = None,
) -> Linear:
    """Minimise the summed loss plus |weight|^2 / (2 strength).

    `strength` is scikit-learn's C; for ridge, whose loss is the sum of squares, it is 1 / alpha.

    Args:
        features: (N, D) float32, about centred and of unit scale, or sparse.
        targets: encoded; a row whose label is no output takes part as a row of none of them.
        outputs: C, one for regression.
        start: a fit of the same shape to begin from.
        tolerance: the step, relative to the loss, at which it ends; None takes that of such features.
    """
    kind = task_of(task)
    if not kind.has_probabilities:  # least squares have a closed form
        return _fit_ridge(features, targets, strength)
    from scipy.optimize import minimize

    dense = isinstance(features, np.ndarray)
    wanted = kind.indicators(targets, outputs)
    width = features.shape[1]
    penalty = 1.0 / (strength * len(wanted))
    first = np.zeros((width + 1, outputs), dtype=np.float64)
    if start is not None:
        first[:width], first[width] = start.weight.T, start.bias
    transposed = features.T if dense else features.T.tocsr()

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        theta = flat.reshape(width + 1, outputs)
        weight = theta[:width].astype(np.float32)
        loss, slope = kind.loss_and_slope(features @ weight + theta[width].astype(np.float32), wanted)
        gradient = np.empty_like(theta)
        gradient[:width] = (transposed @ slope) / len(wanted) + penalty * theta[:width]
        gradient[width] = slope.sum(axis=0, dtype=np.float64) / len(wanted)
        return loss / len(wanted) + 0.5 * penalty * float((theta[:width] ** 2).sum()), gradient.ravel()

    options = {"maxiter": iterations, "maxcor": 6, "ftol": tolerance or _tolerance(features), "gtol": 1e-5}
    # Products this thin are no faster divided, and threads that wait for each other tripled their time.
    with _one_thread():
        best = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options).x
    theta = best.reshape(width + 1, outputs).astype(np.float32)
    return Linear(np.ascontiguousarray(theta[:width].T), theta[width])


def _tolerance(features: Features) -> float:
    """Either is far below what another sample of train rows would change; sparse models are the slow ones."""
    return 1e-6 if isinstance(features, np.ndarray) else 1e-5


@cache
def _libraries() -> Any:
    """Those of products that are loaded: to look for them takes as long as a fit of few rows."""
    import scipy.linalg  # brings one of its own
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # scikit-learn's, without types

    assert scipy.linalg
    return ThreadpoolController()


def _one_thread() -> Any:
    """A block in which products take one thread."""
    return _libraries().limit(limits=1, user_api="blas")


def out_of_fold(
    features: Features,
    targets: NDArray[Any],
    outputs: int,
    task: TaskKind,
    strength: float,
    folds: NDArray[np.int64],
    *,
    iterations: int = ITERATIONS,
) -> Floats32:
    """(N, C) logits of each row by a fit on the other folds.

    Args:
        folds: (N,) each row's.
    """
    tolerance = _tolerance(features)
    if task_of(task).has_probabilities:
        features = in_fewer_columns(features)
    logits = np.zeros((len(targets), outputs), dtype=np.float32)

    def fit(fold: int) -> None:
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        model = fit_linear(
            features[outside], targets[outside], outputs, task, strength, iterations=iterations, tolerance=tolerance
        )
        logits[inside] = model.logits(features[inside])

    # The limit is the process's: set here, so that no fit lifts it while another runs.
    with _one_thread() as before, ThreadPoolExecutor(_threads(before)) as pool:
        list(pool.map(fit, np.unique(folds).tolist()))
    return logits


def out_of_fold_by_squares(
    features: Features, targets: NDArray[Any], outputs: int, task: TaskKind, strength: float, folds: NDArray[np.int64]
) -> Floats32:
    """(N, C) logits of each row as `out_of_fold`, by least squares: seconds where there are thousands of labels.

    Indicators of the labels are fitted in closed form; the scores become logits by one scale and one offset, which
    minimise the task's loss on rows that the fits did not see.

    Args:
        folds: (N,) each row's.
    """
    from scipy.optimize import minimize

    kind = task_of(task)
    wanted = np.asarray(kind.indicators(targets, outputs), dtype=np.float32)
    scores = np.zeros((len(targets), outputs), dtype=np.float32)
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        seen, share = features[outside], wanted[outside].mean(axis=0)
        gram = seen.T @ seen
        gram = np.asarray(gram if isinstance(gram, np.ndarray) else gram.toarray(), dtype=np.float64)
        gram[np.diag_indices_from(gram)] += 1.0 / strength
        weight = np.linalg.solve(gram, np.asarray(seen.T @ (wanted[outside] - share), dtype=np.float64))
        scores[inside] = features[inside] @ weight.astype(np.float32) + share
    some = np.random.default_rng(0).permutation(len(targets))[:_ROWS_TO_SCALE]

    def loss(line: NDArray[np.float64]) -> float:
        logits = (np.exp(line[0]) * scores[some] + line[1]).astype(np.float32)
        return float(kind.loss_and_slope(logits, wanted[some])[0])

    scale, offset = minimize(loss, (2.0, -2.0), method="Nelder-Mead", options={"maxfev": 60, "xatol": 0.02}).x
    return np.asarray(np.exp(scale) * scores + offset, dtype=np.float32)


def _threads(before: Any) -> int:
    """As many as BLAS would have had, which OMP_NUM_THREADS and the shares of a sweep's processes limit."""
    return min([*before.get_original_num_threads().values(), os.cpu_count() or 1], default=1)


def _fit_ridge(features: Features, targets: NDArray[Any], strength: float) -> Linear:
    from sklearn.linear_model import Ridge

    ridge = Ridge(alpha=1.0 / strength, solver="auto").fit(features, targets.astype(np.float32))
    return Linear(
        np.asarray(ridge.coef_, dtype=np.float32).reshape(1, -1), np.asarray([ridge.intercept_], dtype=np.float32)
    )


def judge(logits: FloatArray, targets: NDArray[Any], task: TaskKind, metric: Metric) -> tuple[float, float]:
    """(the metric, minus the loss), both so that higher is better: the loss settles ties, which are common on few
    rows."""
    if len(targets) == 0:
        return (-np.inf, -np.inf)
    value = metric(targets, logits, task)
    signed = -np.inf if value is None else metric.sign * value
    return (signed, -float(task_of(task).row_losses(targets, logits).mean()))


def choose_strength(
    train: tuple[Features, NDArray[Any]],
    validation: tuple[Features, NDArray[Any]],
    outputs: int,
    task: TaskKind,
    metric: Metric,
    strengths: Sequence[float],
    *,
    iterations: int = ITERATIONS,
) -> BestFit:
    """The best on validation along a path of rising strengths, each fit begun from the one before.

    The path ends when two strengths in a row did worse than the best.  Without validation rows the middle strength is
    taken. Validation never takes part in a fit.
    """
    if len(validation[1]) == 0:
        strengths = [strengths[len(strengths) // 2]]
    best: BestFit | None = None
    model: Linear | None = None
    worse = 0
    for strength in strengths:
        model = fit_linear(*train, outputs, task, strength, start=model, iterations=iterations)
        score = judge(model.logits(validation[0]), validation[1], task, metric)
        if best is None or score > best.score:
            best, worse = BestFit(model, strength, score), 0
        else:
            worse += 1
        if worse == 2:
            break
    assert best is not None
    return best

"""Scale a tuned model's logits after training, by validation, where validation says that it helps.

In: an Evaluation of validation.  Out: a Calibrator, which scales logits, and why; a Calibration.
Not here: folding it into the head (models/fold_calibration.py), measuring calibration (reliability.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.compare import compare, too_few_to_fit
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.reliability import calibration_scores
from liftune.evaluation.statistics.clustered import cluster_means
from liftune.evaluation.statistics.intervals import ALPHA
from liftune.metrics.metric import Metric
from liftune.metrics.row_statistics import Floats, Ints
from liftune.records.calibration import Calibration
from liftune.tasks import Task, TaskKind, task_of
from liftune.types import FloatArray

Kind: TypeAlias = Literal["none", "temperature", "vector"]

#: Temperatures beyond these are no calibration: an untrained head, or a validation part without a single error.
TEMPERATURES = (0.05, 20.0)
#: Strength of the vector's pull to the temperature alone, in rows that contradict a scale of 2 or a shift of 1.
_RIDGE = 1.0


@dataclass(frozen=True)
class LogitScaling:
    """logits -> logits / temperature * scale + shift, with scale and shift (C,)."""

    temperature: float
    scale: Floats
    shift: Floats

    @classmethod
    def by(cls, temperature: float, outputs: int) -> LogitScaling:
        """A temperature alone; 1 leaves logits as they are."""
        return cls(temperature, np.ones(outputs), np.zeros(outputs))

    @property
    def factor(self) -> Floats:
        """(C,) what each logit is multiplied by."""
        return np.asarray(self.scale / self.temperature)

    def __call__(self, logits: FloatArray) -> NDArray[np.float32]:
        """(N, C) float32, calibrated."""
        return np.asarray(logits * self.factor + self.shift, dtype=np.float32)


@dataclass(frozen=True)
class Calibrator:
    """What validation chose.

    Args:
        fitted: the temperature that was fitted, kept or not; None where nothing was.
        before, after: log-loss on validation as it was and, out of fold, by the best calibration that was tried.
    """

    kind: Kind
    scaling: LogitScaling
    reason: str
    fitted: float | None = None
    before: float | None = None
    after: float | None = None
    p_value: float | None = None

    def refused(self, reason: str) -> Calibrator:
        """The same, not kept: the head cannot hold it."""
        outputs = len(self.scaling.scale)
        return replace(self, kind="none", scaling=LogitScaling.by(1.0, outputs), reason=f"not kept: {reason}")


def calibrate(
    validation: Evaluation, metric: Metric, folds: Ints | None, *, vector: bool = True, alpha: float = ALPHA
) -> Calibrator:
    """One temperature, or a scale and a shift for each label, or neither.

    A calibration is fitted on all folds of validation but one and judged on that one, in turn. The temperature is kept
    where it lowers the log-loss out of fold by a one-sided paired test; scale and shift, where by the same test they
    lower it further than the temperature does and do not lower the deciding metric. What is kept is then fitted on all
    of validation.

    Args:
        validation: as trained; rows whose label the model never had take no part.
        folds: (M,) each row's, as `data.folds.folds_for_fitting` cuts them; None where there are not two to cut.
        vector: whether the head could take a shift.

    Source: Guo et al. (2017), temperature and vector scaling; Platt (1999) for single labels of a multi-label task.
    """
    outputs = validation.logits.shape[1]
    same = LogitScaling.by(1.0, outputs)
    known, targets = task_of(validation.task).known(validation.targets, outputs)
    clusters = None if validation.clusters is None else np.unique(validation.clusters[known], return_inverse=True)[1]
    units = len(targets) if clusters is None else int(clusters.max(initial=-1)) + 1
    if few := too_few_to_fit(len(targets), units, validation.unit):
        return Calibrator("none", same, f"{few} are too few to fit and to judge by")
    if folds is None or len(np.unique(folds[known])) < 2:
        return Calibrator("none", same, "all validation rows are of one text or group: there is none to judge by")
    logits = np.asarray(validation.logits[known], dtype=np.float64)
    rows = Rows(logits, targets, validation.task, folds[known], clusters)
    before = rows.loss(rows.logits)
    cooled = rows.out_of_fold(rows.fit_temperature)
    p_value = rows.improves(rows.logits, cooled)
    kept = p_value <= alpha
    fitted = rows.fit_temperature(np.ones(len(targets), dtype=bool))
    calibrator = Calibrator(
        kind="temperature" if kept else "none",
        scaling=fitted if kept else same,
        reason="out of fold it lowers the log-loss of validation"
        if kept
        else f"a temperature of {fitted.temperature:.3g} does not lower the log-loss of validation out of fold "
        "by more than chance would",
        fitted=fitted.temperature,
        before=before,
        after=rows.loss(cooled),
        p_value=p_value,
    )
    return _with_vector(rows, calibrator, cooled, metric, alpha) if vector else calibrator


def _with_vector(rows: Rows, so_far: Calibrator, cooled: Floats, metric: Metric, alpha: float) -> Calibrator:
    """Scale and shift for each label, where they are better than the temperature and than nothing."""
    moved = rows.out_of_fold(rows.fit_vector)
    p_value = max(rows.improves(each, moved) for each in (rows.logits, cooled))
    before = rows.logits if so_far.kind == "none" else cooled
    if p_value > alpha or rows.score(moved, metric) < rows.score(before, metric):
        return so_far
    return Calibrator(
        kind="vector",
        scaling=rows.fit_vector(np.ones(len(moved), dtype=bool)),
        reason="out of fold, a scale and a shift for each label lower the log-loss of validation further than a "
        f"temperature does, and do not lower {metric.name}",
        fitted=so_far.fitted,
        before=so_far.before,
        after=rows.loss(moved),
        p_value=p_value,
    )


@dataclass(frozen=True)
class Rows:
    """Validation rows: float64 logits (M, C) and targets within the model's labels."""

    logits: Floats
    targets: NDArray[Any]
    kind: TaskKind
    folds: Ints
    """(M,)."""
    clusters: Ints | None = None
    """(M,) from 0; None where rows are independent."""

    @property
    def task(self) -> Task:
        """What the logits stand for."""
        return task_of(self.kind)

    def fit_temperature(self, taken: NDArray[np.bool_]) -> LogitScaling:
        """The temperature of the least log-loss on the rows that are taken, (M,) booleans."""
        from scipy.optimize import minimize_scalar

        logits, targets = self.logits[taken], self.targets[taken]

        def loss(log_temperature: float) -> float:
            return float(self.task.row_losses(targets, logits / np.exp(log_temperature)).mean())

        best = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-4})
        return LogitScaling.by(float(np.exp(best.x)), logits.shape[1])

    def fit_vector(self, taken: NDArray[np.bool_]) -> LogitScaling:
        """A temperature, then a scale and a shift for each label, drawn by a ridge to 1 and 0."""
        from scipy.optimize import minimize

        temperature = self.fit_temperature(taken).temperature
        logits = self.logits[taken] / temperature
        outputs = logits.shape[1]
        wanted = self.task.indicators(self.targets[taken], outputs)

        def objective(flat: Floats) -> tuple[float, Floats]:
            scale, shift = flat.reshape(2, outputs)
            loss, slope = self.task.loss_and_slope(logits * scale + shift, wanted)  # type: ignore[arg-type]  # float64 is kept
            steep = np.asarray(slope, dtype=np.float64)
            gradient = np.concatenate(
                [(steep * logits).sum(axis=0) + _RIDGE * (scale - 1.0), steep.sum(axis=0) + _RIDGE * shift]
            )
            return loss + 0.5 * _RIDGE * float(((scale - 1.0) ** 2).sum() + (shift**2).sum()), gradient

        start = np.concatenate([np.ones(outputs), np.zeros(outputs)])
        bounds = [(0.05, None)] * outputs + [(None, None)] * outputs
        scale, shift = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x.reshape(2, outputs)
        return LogitScaling(temperature, scale, shift)

    def out_of_fold(self, fit: Callable[[NDArray[np.bool_]], LogitScaling]) -> Floats:
        """(M, C) logits, each row's calibrated by the other folds."""
        calibrated = np.empty_like(self.logits)
        for each in np.unique(self.folds):
            held = self.folds == each
            scaling = fit(~held)
            calibrated[held] = self.logits[held] * scaling.factor + scaling.shift
        return calibrated

    def loss(self, logits: Floats) -> float:
        """Log-loss in nats."""
        return float(self.task.row_losses(self.targets, logits).mean())

    def score(self, logits: Floats, metric: Metric) -> float:
        """The deciding metric, signed so that higher is better."""
        value = metric(self.targets, logits, self.kind)
        return -np.inf if value is None else metric.sign * value

    def improves(self, before: Floats, after: Floats) -> float:
        """One-sided p-value that `after` has a log-loss no lower than `before`: a paired t-test over rows.

        One row is added to those seen: the one that would gain least were it predicted wrongly. Sharper probabilities
        gain a little on every right row and lose much on a rare wrong one, which a validation part may not hold yet.
        Where rows come in clusters, these are what is drawn, and the row that is added counts as one of them.
        """
        from scipy.stats import t

        losses = [self.task.row_losses(self.targets, each) for each in (before, after)]
        gains = losses[0] - losses[1]
        if self.clusters is not None:
            gains = cluster_means(gains, self.clusters)[0]
        gains = np.append(gains, self.task.worst_gain(self.targets, before, after))
        error = gains.std(ddof=1) / np.sqrt(len(gains))
        return 1.0 if error == 0 else float(t.sf(gains.mean() / error, len(gains) - 1))


def calibration_record(calibrator: Calibrator, trained: Evaluation) -> Calibration:
    """What was chosen, and what it does on test, which had no say in it.

    Args:
        trained: the test rows, as trained; of no row where every row was tuned on.
    """
    kept = calibrator.kind != "none"
    vector = calibrator.kind == "vector"
    before = replace(trained, name="as trained")
    after = replace(trained, name="calibrated", logits=calibrator.scaling(trained.logits))
    has_rows = len(trained) > 0
    return Calibration(
        kind=calibrator.kind,
        kept=kept,
        reason=calibrator.reason,
        temperature=calibrator.scaling.temperature,
        scale=tuple(calibrator.scaling.scale.tolist()) if vector else None,
        shift=tuple(calibrator.scaling.shift.tolist()) if vector else None,
        fitted=calibrator.fitted,
        validation_before=calibrator.before,
        validation_after=calibrator.after,
        p_value=calibrator.p_value,
        test_before=calibration_scores(before) if has_rows else None,
        test_after=calibration_scores(after) if kept and has_rows else None,
        test_change=compare(before, after, "log_loss") if kept and has_rows else None,
    )

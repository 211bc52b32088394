"""The head's rows of new labels, where a tuned model is tuned further: fitted, or small random ones.

In: a Classifier whose head has random rows for new labels, the splits.  Out: the same, with the better of the two.
Not here: a head that is new as a whole (head_init.py), how the rows came to be (models/started.py).

The rows of old labels stay as they are: their logits are given, and the new rows are fitted beside them. Validation
chooses the strength, and whether a fit is better than the random rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftune.data.splits import Splits
from liftune.models.classifier import Classifier
from liftune.tasks import TaskKind, task_of
from liftune.training.head_init import STRENGTHS, sample_of_rows
from liftune.types import FloatArray, IntArray

_ITERATIONS = 100


def fit_new_labels(classifier: Classifier, splits: Splits, *, seed: int) -> float | None:
    """Set the rows of new labels to a fit on the last layer's inputs, where that is better on validation.

    Args:
        seed: of the sample of train.

    Returns:
        the strength of the fit; None where the random rows were kept.
    """
    task, labels = task_of(splits.task), classifier.labels
    new = np.array([labels.index(each) for each in classifier.backbone.added_labels], dtype=np.int64)
    rows = sample_of_rows(classifier.encode(splits.train.rows).lengths, seed)
    inputs = classifier.final_inputs([splits.train.rows[i] for i in rows], dropout=True)
    held = classifier.final_inputs(splits.validation.rows)
    weight, bias = classifier.final_weights()
    has_bias = classifier.has_output_bias
    wanted = task.indicators(splits.encoded(splits.train)[rows], splits.outputs)
    right = splits.encoded(splits.validation)
    known, targets = task.known(right, splits.outputs)

    def loss_of(weight: FloatArray, bias: FloatArray) -> float:
        logits = np.asarray(held @ weight.T + bias, dtype=np.float32)[known]
        return float(task.row_losses(targets, logits).mean()) if len(targets) else 0.0

    best, chosen = loss_of(weight, bias), None
    kept = weight, bias
    problem = _Problem(inputs, inputs @ weight.T + bias, wanted, new, has_bias)
    for strength in STRENGTHS:
        fitted = problem.fit(strength, splits.task)
        tried = weight.copy(), bias.copy()
        tried[0][new], tried[1][new] = fitted[:, :-1], fitted[:, -1]
        loss = loss_of(*tried)
        if loss < best:
            best, chosen, kept = loss, strength, tried
    classifier.set_final_layer(*kept)
    return chosen


@dataclass(frozen=True)
class _Problem:
    """New rows of the last layer, beside old ones whose logits are given.

    Args:
        inputs: (N, D); given: (N, C) logits; wanted: (N, C) ones at the labels of each row.
        new: (K,) positions of the new labels.
    """

    inputs: FloatArray
    given: FloatArray
    wanted: FloatArray
    new: IntArray
    has_bias: bool

    def fit(self, strength: float, task: TaskKind) -> FloatArray:
        """(K, D + 1) weights and bias of the new rows; the squared norm of standardised weights is penalised."""
        from scipy.optimize import minimize

        kind = task_of(task)
        centre, spread = self.inputs.mean(axis=0), self.inputs.std(axis=0) + 1e-6
        features = np.asarray((self.inputs - centre) / spread, dtype=np.float32)
        width = features.shape[1]
        logits = np.array(self.given, dtype=np.float32)
        wanted = np.asarray(self.wanted, dtype=np.float32)

        def objective(flat: FloatArray) -> tuple[float, FloatArray]:
            parameters = flat.reshape(len(self.new), width + 1).astype(np.float32)
            logits[:, self.new] = features @ parameters[:, :-1].T + parameters[:, -1]
            loss, slope = kind.loss_and_slope(logits, wanted)
            mine = slope[:, self.new]
            gradient = np.column_stack([mine.T @ features, mine.sum(axis=0)]).astype(np.float64)
            penalty = parameters[:, :-1].astype(np.float64)
            gradient[:, :-1] += penalty / strength
            return loss + 0.5 * float((penalty**2).sum()) / strength, gradient.ravel()

        found = minimize(
            objective,
            np.zeros(len(self.new) * (width + 1)),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _ITERATIONS},
        )
        fitted = found.x.reshape(len(self.new), width + 1)
        weights = fitted[:, :-1] / spread
        shift = fitted[:, -1] - weights @ centre
        if not self.has_bias:  # the same logits at the mean input, from the weight alone
            weights = weights + np.outer(shift, centre) / max(float(centre @ centre), 1e-12)
            shift = np.zeros_like(shift)
        return np.asarray(np.column_stack([weights, shift]), dtype=np.float32)

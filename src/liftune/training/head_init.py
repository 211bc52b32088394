"""Initialise the last layer of a random head by a linear fit on its inputs.

In: a Classifier that has not been trained, the splits.  Out: the same Classifier, its last layer fitted.
Not here: the linear models (baselines/linear_models.py), which layer is the last (models/families.py), training
(loop.py).

Linear probing before fine-tuning reaches the same score in fewer epochs, and distorts the pretrained features less than
a random head would (LP-FT: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_models import Linear, choose_strength
from liftune.baselines.linear_probe import Scale
from liftune.data.splits import Splits
from liftune.metrics.registry import METRICS
from liftune.models.classifier import Classifier
from liftune.tasks import task_of
from liftune.types import FloatArray, IntArray

#: Rows read for the fit: an initial head needs no more, and reading takes a third of an epoch's time. Of long rows
#: fewer, as many as hold MOST_TOKENS, but at least LEAST_ROWS.
LEAST_ROWS, MOST_ROWS, MOST_TOKENS = 1_000, 4_000, 300_000
#: Inverse strengths (scikit-learn's C) along the path. The loss on validation chooses, not the
#: run's metric: a head that is right but far too confident has large weights, and with them large gradients.
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)


def init_head(classifier: Classifier, splits: Splits, *, seed: int) -> Linear | None:
    """Fit the last layer on its inputs, and set its weights to the fit.

    Args:
        seed: of the sample of train.

    Returns:
        the layer's weight and bias (zero where it has none); None, and the head as it is, where it was trained before.
    """
    if classifier.backbone.head == "trained":
        return None
    rows = sample_of_rows(classifier.encode(splits.train.rows).lengths, seed)
    # With dropout: a fit on clean inputs may depend on small differences between large numbers, which dropout hides.
    inputs = classifier.final_inputs([splits.train.rows[i] for i in rows], dropout=True)
    scale = Scale.learn("none", inputs)
    mean, spread = classifier.target_scale
    task = task_of(splits.task)

    def scaled(targets: NDArray[np.float64]) -> NDArray[np.float64]:
        return (targets - mean) / spread if task.scales_targets else targets

    best = choose_strength(
        (scale(inputs), scaled(splits.encoded(splits.train)[rows])),
        (scale(classifier.final_inputs(splits.validation.rows)), scaled(splits.encoded(splits.validation))),
        splits.outputs,
        splits.task,
        METRICS[task.selection_metric],
        STRENGTHS,
    )
    layer = scale.fold(best.model)
    if not classifier.has_output_bias:
        layer = without_bias(layer, inputs.mean(axis=0))
    classifier.set_final_layer(layer.weight, layer.bias)
    return layer


def sample_of_rows(lengths: IntArray, seed: int) -> IntArray:
    """Positions of the rows to read for a fit, in order.

    >>> [len(sample_of_rows(np.full(5_000, length), 0)) for length in (20, 150, 500)]
    [4000, 2000, 1000]
    """
    drawn = np.random.default_rng(seed).permutation(len(lengths))[:MOST_ROWS]
    enough = int(np.searchsorted(np.cumsum(lengths[drawn]), MOST_TOKENS, side="right"))
    return np.sort(drawn[: max(LEAST_ROWS, enough)])


def without_bias(model: Linear, centre: FloatArray) -> Linear:
    """The same logits at the mean input (D,), from the weight alone: b x'c / c'c stands for the bias b."""
    weight = model.weight + np.outer(model.bias, centre) / max(float(centre @ centre), 1e-12)
    return Linear(np.asarray(weight, dtype=np.float32), np.zeros_like(model.bias))

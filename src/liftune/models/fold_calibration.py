"""Put a scale and a shift of the logits into the head's last layer, and check the result.

In: a Classifier, a scale and a shift (C,), rows with their logits.  Out: the Classifier, which now gives calibrated
logits by itself.
Not here: which scale and shift (evaluation/calibration.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from liftune.models.adapter_io import TOLERANCE
from liftune.models.classifier import Classifier
from liftune.types import Row

#: Rows whose logits are compared with what they should be.
_ROWS = 64


def fold_calibration(
    classifier: Classifier,
    scale: NDArray[np.float64],
    shift: NDArray[np.float64],
    rows: Sequence[Row],
    logits: NDArray[np.float32],
) -> str:
    """Make the classifier give `logits * scale + shift`, or leave it as it was.

    Args:
        rows, logits: N rows, and (N, C) the logits that the classifier gives them.

    Returns:
        why it was left as it was; empty where it was changed. A head that does more after its last layer (normalised or
        capped outputs, shared weights) shows in the logits.
    """
    layer = classifier.final_layer()
    if layer.bias is None and np.any(shift != 0):
        return "its head has no bias to hold a shift"
    rows, logits = rows[:_ROWS], logits[:_ROWS]
    before = [parameter.detach().clone() for parameter in layer.parameters()]
    weight = layer.weight
    with torch.no_grad():
        factor, offset = (torch.as_tensor(each).to(weight) for each in (scale, shift))
        weight.mul_(factor[:, None])
        if layer.bias is not None:
            layer.bias.mul_(factor).add_(offset)
    wanted = logits * scale + shift
    gap = float(np.abs(classifier.logits(rows) - wanted).max(initial=0.0))
    if gap <= TOLERANCE[classifier.plan.dtype] * max(1.0, float(np.abs(wanted).max(initial=0.0))):
        return ""
    with torch.no_grad():
        for parameter, held in zip(layer.parameters(), before, strict=True):
            parameter.copy_(held)
    return f"its head does not scale with its last layer: a logit was {gap:.2g} off"

"""A model whose logits are a linear model's on its features, for formats that hold any graph.

In: a plain Classifier, a LinearProbe.  Out: the same Classifier, whose model answers as the probe does.
Not here: the graph (onnx_graph.py), the features (models/features.py), the probe's answers in a run (models/frozen.py).
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from liftune.baselines.linear_probe import LinearProbe
from liftune.models.classifier import Classifier
from liftune.models.features import FeatureTap


class FeatureHead(nn.Module):
    """(B, D) features to (B, C) logits."""

    mean: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, probe: LinearProbe) -> None:
        super().__init__()
        self.unit = probe.scaling == "unit"
        for name, values in (
            ("mean", probe.scale.mean),
            ("spread", probe.scale.spread),
            ("weight", probe.model.weight),
            ("bias", probe.model.bias),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Scaled as `Scale` scales, and multiplied; a column that is the same in every row counts nothing."""
        rows = rows.float()
        if self.unit:
            norms = rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
            rows = rows * (float(rows.shape[1]) ** 0.5 / norms)
        return nn.functional.linear((rows - self.mean) / self.spread, self.weight, self.bias)


def put_head(classifier: Classifier, probe: LinearProbe) -> Classifier:
    """Have a plain model answer as a linear model on its features does; what its own head answers is passed over.

    Args:
        classifier: merged, or as it is; it is changed.
    """
    model: Any = classifier.backbone.model
    head, own = FeatureHead(probe), model.forward

    @wraps(own)  # which inputs a model reads is asked of its signature
    def forward(attention_mask: Tensor, **inputs: Any) -> SequenceClassifierOutput:
        with FeatureTap(classifier.backbone) as tap:
            own(attention_mask=attention_mask, **inputs)
            features = tap.of_windows(attention_mask)
        return SequenceClassifierOutput(logits=head(features[probe.pooling]))

    model.forward = forward
    return classifier

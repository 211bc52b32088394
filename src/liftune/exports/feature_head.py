"""A model whose logits are a linear model's on its body's states, for formats that hold any graph.

In: a plain Classifier, a LinearProbe.  Out: the same Classifier, whose model answers as the probe does.
Not here: the graph (onnx_graph.py), the probe's answers in a run (models/frozen.py).
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from liftune.baselines.linear_probe import LinearProbe
from liftune.exports.originals import POOLINGS
from liftune.models import families
from liftune.models.classifier import Classifier


class FeatureHead(nn.Module):
    """(B, L, D) states of a body to (B, C) logits."""

    mean: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, probe: LinearProbe) -> None:
        super().__init__()
        assert probe.pooling in POOLINGS
        self.pooling, self.unit = probe.pooling, probe.scaling == "unit"
        for name, values in (
            ("mean", probe.scale.mean),
            ("spread", probe.scale.spread),
            ("weight", probe.model.weight),
            ("bias", probe.model.bias),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pooled, scaled as `Scale` scales, and multiplied; a column that is the same in every row counts nothing."""
        rows = self._pooled(states.float(), mask)
        if self.unit:
            norms = rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
            rows = rows * (float(rows.shape[1]) ** 0.5 / norms)
        return nn.functional.linear((rows - self.mean) / self.spread, self.weight, self.bias)

    def _pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "mean":
            weights = mask.to(torch.float32).unsqueeze(-1)
            return (states * weights).sum(1) / weights.sum(1)
        places = mask.to(torch.int64)
        order = places.argmax(1) if self.pooling == "first" else (places.cumsum(1) * places).argmax(1)
        return states.gather(1, order[:, None, None].expand(-1, 1, states.shape[2])).squeeze(1)


def put_head(classifier: Classifier, probe: LinearProbe) -> Classifier:
    """Have a plain model answer as a linear model on its states does; its own head is not called any more.

    Args:
        classifier: merged, or as it is; it is changed.
    """
    model: Any = classifier.backbone.model
    head, body = FeatureHead(probe), model.get_submodule(families.base_name(model))

    @wraps(model.forward)  # which inputs a model reads is asked of its signature
    def forward(attention_mask: Tensor, **inputs: Any) -> SequenceClassifierOutput:
        states = body(attention_mask=attention_mask, **inputs)[0]
        return SequenceClassifierOutput(logits=head(states, attention_mask))

    model.forward = forward
    return classifier

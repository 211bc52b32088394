"""What turns gradients into changes of the trained parameters.

In: a Classifier, rates.  Out: an optimizer.
Not here: the learning rate over time (schedule.py), the steps (epoch.py).
"""

from __future__ import annotations

import torch

from liftune.models.classifier import Classifier


def make_optimizer(classifier: Classifier, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """The method's own optimizer, or AdamW with no decay on biases and norms."""
    method = classifier.method
    if method and method.optimizer:
        return method.optimizer(classifier.model, classifier.options, learning_rate, weight_decay)
    matrices = [parameter for _, parameter in classifier.trainable() if parameter.ndim > 1]
    vectors = [parameter for _, parameter in classifier.trainable() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate, fused=True)

"""A plain model as an ONNX graph: token ids to logits, any number of rows and tokens.

In: a merged Classifier.  Out: model.onnx, and the names of its inputs.
Not here: 8-bit weights (quantize.py), the other files of a bundle (bundle.py).
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from liftune.errors import ModelError, lacks_memory
from liftune.exports.onnx_encoder import first_states_only
from liftune.models import families
from liftune.models.classifier import Classifier
from liftune.models.pretrained import quiet
from liftune.models.tokens.collator import read_by_model

OPSET = 18
#: The most that protobuf holds in one file.
MOST_BYTES = 2 * 2**30 - 2**24
_ROWS = ("the first row of three", "another", "and the longest of them all, so that there is padding")


class _Positional(nn.Module):
    """The model, called with positional arguments, returning only logits."""

    def __init__(self, model: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: Tensor) -> Tensor:
        logits: Tensor = self.model(**dict(zip(self.names, values, strict=True))).logits
        return logits


def check_family(config: PretrainedConfig) -> None:
    """Refuse a family that a bundle cannot run: one that is padded on the left, while bundles pad on the right (XLNet).

    Raises:
        ModelError: names it.
    """
    if families.padding_side(config) == "left":
        raise ModelError(
            f"{config.model_type} models cannot be exported to ONNX: they pad on the left, bundles on the right",
            where="--format",
            hint="export it with --format merged, or use the run's folder",
        )


def write_graph(classifier: Classifier, path: Path) -> tuple[str, ...]:
    """Write the graph; its inputs are (B, L) int64, its output (B, C) float32.

    It uses torch's tracing exporter, which writes every family of the contract tests, in a twentieth of the other
    exporter's time.

    Returns:
        the names of the inputs that the graph reads.

    Raises:
        ModelError: the family, the size, or an error of the exporter.
    """
    model = classifier.backbone.model
    check_family(model.config)
    size = sum(each.numel() * each.element_size() for each in model.parameters())
    if size > MOST_BYTES:
        raise ModelError(
            f"the model has {size / 2**30:.1f} GiB of weights, an ONNX file holds at most 2",
            where="--format",
            hint="export it with --format merged",
        )
    batch = read_by_model(classifier.collate(classifier.encode(_ROWS)))
    names = list(batch)
    axes: dict[str, Any] = {name: {0: "batch", 1: "length"} for name in names}
    try:
        with quiet(), _silent(), torch.no_grad(), first_states_only(model, batch):
            torch.onnx.export(
                _Positional(model, names).eval(),
                tuple(batch.values()),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=names,
                output_names=["logits"],
                dynamic_axes={**axes, "logits": {0: "batch"}},
            )
    except (RuntimeError, ValueError, TypeError, NotImplementedError, torch.onnx.errors.OnnxExporterError) as error:
        if lacks_memory(error):
            raise
        raise ModelError(
            f"{model.config.model_type} models cannot be exported to ONNX: {str(error).strip().splitlines()[0]}",
            where="--format",
            hint="export it with --format merged, or use the run's folder",
        ) from None
    return _inputs(path)


def _inputs(path: Path) -> tuple[str, ...]:
    import onnx

    return tuple(each.name for each in onnx.load(str(path), load_external_data=False).graph.input)


@contextlib.contextmanager
def _silent() -> Any:
    """Without the exporter's warnings about tracing."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)

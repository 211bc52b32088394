"""8-bit weights: several schemes, the cheapest first.

In: model.onnx.  Out: model.onnx with some of its weights in 8 bits, activations quantised dynamically.
Not here: which scheme is kept (formats.py), whether its predictions are good enough (parity.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from liftune.hardware.processor import has_wide_dot


@dataclass(frozen=True)
class Scheme:
    """Which weights are 8 bits wide."""

    name: str
    keeps: Callable[[list[str]], set[str]]
    """Names of the graph's products with weights, in order -> those that stay float."""
    embeddings: bool = True
    """Whether embeddings are 8 bits wide too."""


def _none(names: list[str]) -> set[str]:
    return set()


def _head(names: list[str]) -> set[str]:
    return set(names[-2:])


def _ends(names: list[str]) -> set[str]:
    """The first and the last sixth, and the head."""
    share = max(1, len(names) // 6)
    return set(names[:share] + names[-share - 2 :])


def _every_other(names: list[str]) -> set[str]:
    return set(names[::2]) | _head(names)


#: In order of cost.
SCHEMES = (
    Scheme("every product and the embeddings", _none),
    Scheme("every product but the head's two; embeddings stay float", _head, embeddings=False),
    Scheme("every product but the head's and those of the outermost layers; embeddings stay float", _ends, False),
    Scheme("every other product; head and embeddings stay float", _every_other, False),
)


def products(path: Path) -> list[str]:
    """Names of the products with weights, in the graph's order."""
    import onnx

    graph = onnx.load(str(path)).graph
    weights = {each.name for each in graph.initializer}
    return [node.name for node in graph.node if node.op_type in ("MatMul", "Gemm") and weights & set(node.input)]


def prepare(source: Path, target: Path) -> None:
    """Fold constants and name shapes, once for all schemes."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with _silent():
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)


def quantize(prepared: Path, target: Path, scheme: Scheme) -> str:
    """Write the model by a scheme: signed weights, one scale per column; 7 bits where the CPU would overflow.

    Returns:
        the scheme in words.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    narrow = not has_wide_dot()
    kept = scheme.keeps(products(prepared))
    kinds = ["MatMul", "Gather"] if scheme.embeddings else ["MatMul"]
    with _silent():
        quantize_dynamic(
            str(prepared),
            str(target),
            op_types_to_quantize=kinds,
            per_channel=True,
            reduce_range=narrow,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[each for name in sorted(kept) for each in (name, f"{name}_MatMul")],
        )
    return scheme.name + ("; 7 bits, as this CPU has no VNNI" if narrow else "")


@contextmanager
def _silent() -> Iterator[None]:
    """Without onnxruntime's hints on the root logger."""
    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)

"""How fast training was, compared with what the machine can do.

In: training logs, the model's shapes, the plan.  Out: a Speed.
Not here: counting operations (hardware/flops.py), measuring the machine (hardware/measure.py), training (loop.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from liftune.hardware.flops import Passes, Shapes
from liftune.hardware.measure import gemm_rate, peak_mib
from liftune.hardware.plan import Plan
from liftune.models.methods.base import Method
from liftune.records.training import Speed, TrainLog

#: Which matrix products each kind of method needs.
_PASSES: dict[str, Passes] = {"peft": "frozen", "full": "trained", "probe": "forward"}


def speed_of(logs: Sequence[TrainLog], rows: int, *, shapes: Shapes, method: Method, plan: Plan) -> Speed | None:
    """The speed of training over all seeds; None where nothing was timed.

    Args:
        rows: of train.
        shapes: of the model.
        plan: of the training.
    """
    seconds = sum(log.seconds for log in logs)
    tokens = sum(log.tokens for log in logs)
    if not seconds or not tokens:
        return None
    peak = peak_mib()  # before the products below are measured
    fraction, rate = None, None
    if not shapes.unsupported_reason:
        rate = gemm_rate(shapes.linears, plan.dtype, device=plan.device, again=True)
        pairs = sum(log.token_pairs for log in logs)
        fraction = shapes.flops(tokens, pairs, passes=_PASSES[method.kind]) / seconds / rate
    return Speed(
        rows_per_second=rows * sum(len(log.epochs) for log in logs) / seconds,
        tokens_per_second=tokens / seconds,
        gemm_fraction=fraction,
        gemm_rate=rate,
        peak_mib=peak,
        plan=plan.choices,
        note=shapes.unsupported_reason or None,
    )

"""The model behind a predictor: with what plan it predicts, and merged or as it was tuned.

In: options, a folder and its card.  Out: a Plan; a Classifier.
Not here: the predictor around it (adapter_predictor.py).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from liftune.errors import MethodError
from liftune.hardware.plan import PRECISIONS
from liftune.records.training import AdapterCard

if TYPE_CHECKING:
    from liftune.hardware.plan import Plan
    from liftune.models.classifier import Classifier

#: As a precision: the one that was measured to be faster on this machine.
FASTEST = "fastest"


def prediction_plan(device: str | None, precision: str | None) -> Plan:
    """The plan for predicting; token ids of rows that are read once are not kept on the disk."""
    from liftune.hardware.measure import measure_machine
    from liftune.hardware.plan import make_plan

    plan = make_plan(measure_machine(), device=device)
    given = next((each for each in PRECISIONS if each == precision), None)
    dtype = plan.dtype if precision == FASTEST else given or plan.inference_dtype
    return replace(plan, dtype=dtype, accelerations=plan.accelerations - {"token-cache"})


def load_classifier(folder: Path, card: AdapterCard, plan: Plan, trust_remote_code: bool) -> Classifier:
    """Merged on a CPU, where the logits stay the same to 1e-5; on a GPU as it was tuned."""
    from liftune.models.adapter_io import open_adapter
    from liftune.models.merge import open_merged
    from liftune.models.methods.registry import METHODS

    if plan.device == "cpu" and card.method in METHODS and METHODS[card.method].mergeable:
        with suppress(MethodError):  # a variant of the method that PEFT cannot merge
            return open_merged(folder, card=card, plan=plan, trust_remote_code=trust_remote_code)
    return open_adapter(folder, card=card, plan=plan, trust_remote_code=trust_remote_code)
